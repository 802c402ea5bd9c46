"""The guide's class: its argument order, its error texts, its variables."""

import asyncio
import os
import unittest
from unittest import mock

from support import LIMIT, MemoryDaemon

from coffer_client import (
    AsyncCoffer, AsyncCredentialManager, Code, Coffer, CofferError, CredentialManager, InvalidArgument, NotFound,
    create_async_credential_manager, create_credential_manager,
)


class ManagerTests(unittest.TestCase):
    def setUp(self):
        self.daemon = MemoryDaemon()
        self.daemon.__enter__()
        self.addCleanup(self.daemon.__exit__, None, None, None)
        patch = mock.patch.dict(os.environ, {"COFFER_SOCKET": self.daemon.path}, clear=True)
        patch.start()
        self.addCleanup(patch.stop)

    def test_the_guides_test_script(self):
        with create_credential_manager() as manager:
            manager.store_credentials("test-conn", "test-user", {"apiKey": "test"})
            self.assertEqual({"apiKey": "test"}, manager.get_credentials("test-conn", "test-user"))
            self.assertEqual(
                b'{"apiKey":"test"}', self.daemon.records["test-user", "test-conn"].credential)
            manager.delete_credentials("test-conn", "test-user")
            manager.delete_credentials("test-conn", "test-user")
            with self.assertRaises(NotFound) as raised:
                manager.get_credentials("test-conn", "test-user")
            self.assertEqual("Credentials not found for connection: test-conn", str(raised.exception))

    def test_the_guides_test_script_with_asyncio(self):
        async def run():
            async with create_async_credential_manager() as manager:
                await manager.store_credentials("test-conn", "test-user", {"apiKey": "tést"})
                self.assertEqual({"apiKey": "tést"}, await manager.get_credentials("test-conn", "test-user"))
                await manager.delete_credentials("test-conn", "test-user")
                with self.assertRaisesRegex(NotFound, "^Credentials not found for connection: test-conn$"):
                    await manager.get_credentials("test-conn", "test-user")

        asyncio.run(asyncio.wait_for(run(), LIMIT))

    def test_a_client_that_was_given_stays_open(self):
        with Coffer() as client:
            with CredentialManager(client) as manager:
                manager.store_credentials("c", "u", {})
            self.assertEqual("{}", client.get("u", "c").text())

        async def run():
            async with AsyncCoffer() as client:
                async with AsyncCredentialManager(client) as manager:
                    self.assertEqual({}, await manager.get_credentials("c", "u"))
                self.assertEqual("{}", (await client.get("u", "c")).text())

        asyncio.run(asyncio.wait_for(run(), LIMIT))

    def test_what_json_cannot_hold_is_refused_without_showing_it(self):
        with CredentialManager() as manager:
            for wrong in ({"s3cret": b"s3cret"}, {"a": float("nan")}, {"s3cret": {1, 2}}):
                with self.assertRaises(InvalidArgument) as raised:
                    manager.store_credentials("c", "u", wrong)
                self.assertNotIn("s3cret", str(raised.exception))
                self.assertIsNone(raised.exception.__context__)
            with self.assertRaisesRegex(InvalidArgument, "lone surrogates"):
                manager.store_credentials("c", "u", {"a": "\ud800"})

    def test_the_factory_refuses_what_the_guides_does(self):
        cases = [
            ({"VAULT_TYPE": "cloudflare"}, "CLOUDFLARE_SECRETS_STORE not configured"),
            ({"VAULT_TYPE": "vault"}, "VAULT_ADDR and VAULT_TOKEN must be set"),
            ({"VAULT_TYPE": "vault", "VAULT_ADDR": "http://v"}, "VAULT_ADDR and VAULT_TOKEN must be set"),
            ({"NODE_ENV": "production"}, "Memory vault not allowed in production. Set VAULT_TYPE."),
            ({"NODE_ENV": "production", "VAULT_TYPE": "memory"}, "Memory vault not allowed in production. Set VAULT_TYPE."),
        ]
        for variables, text in cases:
            for create in (create_credential_manager, create_async_credential_manager):
                with mock.patch.dict(os.environ, variables), self.assertRaises(CofferError) as raised:
                    create()
                self.assertEqual((Code.FAILED_PRECONDITION, text), (raised.exception.code, str(raised.exception)))
        for variables in ({}, {"VAULT_TYPE": "aws"}, {"VAULT_TYPE": "coffer", "NODE_ENV": "production"}, {
                "VAULT_TYPE": "embedded", "NODE_ENV": "production"}, {
                "VAULT_TYPE": "vault", "VAULT_ADDR": "http://v", "VAULT_TOKEN": "t", "NODE_ENV": "production"}):
            with mock.patch.dict(os.environ, variables):
                create_credential_manager().close()


if __name__ == "__main__":
    unittest.main()
