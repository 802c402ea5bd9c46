"""Which module may import what, and which may touch raw memory."""

import re
from dataclasses import dataclass, field

from repository import Repository

#: Language and system modules that any module may use.
ANYWHERE = {"Swift", "Synchronization"}


@dataclass(frozen=True)
class Module:
    #: Modules of ours, Swift and C; they stand above this one in the table.
    ours: set[str] = field(default_factory=set)
    #: Everybody else's.
    others: set[str] = field(default_factory=set)
    #: May use pointers: True, False, or only these files.
    raw: bool | frozenset[str] = False


def words(text: str) -> set[str]:
    return set(text.split())


C_MODULES = words("CLinux CWipingHeap CProtobufC COpenSSL CCurl CSQLite CSQLiteLog CPostgres CYAML CBaselines CofferMessages")

#: From the bottom to the top: a module imports only what stands above its row.
MODULES = {
    "CofferCore": Module(words("CLinux"), words("Glibc"), raw=True),
    # What every program needs, also those that share nothing with the daemon.
    "CofferProcess": Module(words("CLinux"), words("Glibc"), raw=True),
    "CofferCommandLine": Module(words("CofferProcess"), words("ArgumentParser")),
    "CofferWire": Module(words("CofferCore CofferMessages CLinux CProtobufC"), words("Glibc"), raw=True),
    "CofferCrypto": Module(words("CofferCore CLinux COpenSSL"), words("Glibc"), raw=True),
    "CofferCache": Module(words("CofferCore")),
    "CofferAccess": Module(words("CofferCore")),
    "CofferVault": Module(words("CofferCore CofferCrypto")),
    "CofferYAML": Module(words("CYAML"), raw=frozenset(words("YAMLEventReader.swift"))),
    # A policy's text: for the daemon, and for a program that checks one.
    "CofferPolicy": Module(words("CofferCore CofferProcess CofferAccess CofferYAML")),
    "CofferSQLite": Module(words("CSQLite CSQLiteLog"), words("Glibc"), raw=True),
    "CofferHTTP": Module(words("CofferCore CLinux CCurl"), words("Glibc"), raw=True),
    # What vaults share; a module for each vault, which knows no other vault; and the list of those that there are.
    "CofferVaultKit": Module(
        words("CofferCore CofferCrypto CofferProcess CofferVault CofferHTTP"), words("Dispatch Glibc")),
    "CofferEmbedded": Module(words("CofferCore CofferVault CofferVaultKit CofferSQLite"), words("Dispatch Glibc")),
    "CofferMemory": Module(words("CofferCore CofferVault CofferVaultKit")),
    "CofferHashiCorp": Module(words("CofferCore CofferCrypto CofferVault CofferVaultKit CofferHTTP"), words("Glibc")),
    "CofferAWS": Module(words("CofferCore CofferCrypto CofferProcess CofferVault CofferVaultKit CofferHTTP"), words("Glibc")),
    "CofferCloudflare": Module(
        words("CofferCore CofferCrypto CofferProcess CofferVault CofferVaultKit CofferHTTP"), words("Glibc")),
    "CofferGoogle": Module(words("CofferCore CofferCrypto CofferVault CofferVaultKit CofferHTTP")),
    "CofferAzure": Module(words("CofferCore CofferCrypto CofferVault CofferVaultKit CofferHTTP")),
    "CofferPostgres": Module(
        words("CofferCore CofferCrypto CofferVault CofferVaultKit CPostgres"), words("Glibc"),
        raw=frozenset(words("PostgresLink.swift"))),
    "CofferEtcd": Module(words("CofferCore CofferCrypto CofferVault CofferVaultKit CofferHTTP")),
    "CofferFly": Module(words("CofferCore CofferCrypto CofferProcess CofferVault CofferVaultKit CofferHTTP")),
    "CofferVaultCatalogue": Module(
        words("CofferVaultKit CofferEmbedded CofferMemory CofferHashiCorp CofferAWS CofferCloudflare CofferGoogle CofferAzure "
              "CofferPostgres CofferEtcd CofferFly")),
    "CofferServer": Module(
        words("CofferCore CofferWire CofferCrypto CofferCache CofferAccess CofferVault CofferMessages CLinux "
              "CProtobufC"),
        words("Glibc Logging"), raw=True),
    "CofferDaemon": Module(
        words("CofferCore CofferCrypto CofferCache CofferAccess CofferPolicy CofferVault CofferHTTP CofferVaultKit CofferVaultCatalogue "
              "CofferServer CofferProcess CofferYAML CLinux"),
        words("Glibc Dispatch Logging"),
        # Standard output and error, threads, and the variables that are secrets.
        raw=frozenset(words("DaemonThread.swift LogQueue.swift SecretVariables.swift"))),
    "cofferd": Module(words("CWipingHeap CofferDaemon CofferCore CofferProcess CofferCommandLine"), words("ArgumentParser Glibc")),
    # In clients/swift: taken by other packages too, so it shares nothing.
    "Coffer": Module(set(), words("SwiftProtobuf Foundation FoundationEssentials Glibc Synchronization"), raw=True),
    # On the public client alone: what it asks a daemon, every program can. It reads policies itself. CLinux hardens the process.
    "coffer": Module(
        words("Coffer CofferAccess CofferPolicy CofferProcess CofferCommandLine CLinux"), words("ArgumentParser FoundationEssentials Glibc"),
        raw=frozenset(words("CredentialInput.swift CredentialOutput.swift Credential+Handover.swift"))),
    # Workloads as files, for the load generator and for the cache's simulation.
    "CofferWorkload": Module(set(), words("FoundationEssentials Glibc")),
    # Shares no code with what it measures.
    "CofferLoad": Module(
        words("CofferCore CofferWorkload CofferProcess CofferCommandLine CLinux CBaselines"),
        words("ArgumentParser FoundationEssentials Glibc"), raw=True),
    "coffer-load": Module(words("CofferLoad CofferProcess CofferCommandLine"), words("ArgumentParser")),
    "CofferCodeGen": Module(set(), words("SwiftProtobuf SwiftProtobufPluginLibrary")),
    "protoc-gen-coffer": Module(words("CofferCodeGen"), words("SwiftProtobufPluginLibrary")),
}

#: C targets and what they may depend on.
C_DEPENDENCIES = {name: set() for name in C_MODULES} | {"CofferMessages": {"CProtobufC"}}

IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\(\w+\))?\s+)*(?:(?:package|public|internal|private|fileprivate)\s+)?"
    r"import\s+(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?(\w+)")
RAW = re.compile(r"\b(Unsafe\w*|unsafe\w*|withUnsafe\w*|Unmanaged|OpaquePointer|unchecked)\b")


#: Where a type of vault may be named: in its own module and in the catalogue.
VAULT_FOLDERS = re.compile(
    r"Sources/(CofferAWS|CofferAzure|CofferCloudflare|CofferEmbedded|CofferEtcd|CofferFly|CofferGoogle|CofferHashiCorp|CofferMemory|CofferPostgres|"
    r"CofferVaultCatalogue)/|.*/VaultCatalogue\.swift$")
VAULT_TYPES = re.compile(
    r'\b(HashiCorp|AWS[A-Z]|Azure[A-Z]|Cloudflare[A-Z]|Fly[A-Z]|Google[A-Z]|(Embedded|Etcd|Memory|Postgres)(Vault|Driver))|'
    r'"(aws|embedded|etcd|postgres|gcp|azure|fly|cloudflare|cloudflare-secrets-store)"|'
    r'\b(BAO|AWS|AZURE|CLOUDFLARE|FLY|GOOGLE|GCE|ETCDCTL)_')


def only_drivers_name_types_of_vaults(repository: Repository) -> list[str]:
    problems = []
    for file in repository.swift("Sources"):
        if VAULT_FOLDERS.match(file.path):
            continue
        for index, line in enumerate(file.lines):
            if not line.strip().startswith("//") and (match := VAULT_TYPES.search(line)):
                problems.append(f"{file.place(index)}: names a type of vault, {match[0]}; ask its driver instead")
    return problems


#: What stands behind `CallServices`; a reactor knows that alone.
SERVICES = re.compile(r"\b(Endpoint|(Credential|Admin)Service|(Credentials|Admin)(Method|Handler)|Doctor)\b")


def reactors_name_no_service(repository: Repository) -> list[str]:
    problems = []
    for file in repository.swift("Sources/CofferServer/Reactor"):
        for index, line in enumerate(file.code):
            if match := SERVICES.search(line):
                problems.append(f"{file.place(index)}: names {match[0]}; a reactor knows services by CallServices alone")
    return problems


def every_module_has_a_row(repository: Repository) -> list[str]:
    known = MODULES.keys() | C_MODULES
    modules = {file.module for file in repository.files if file.module} - known
    return [f"Sources/{name}: a module without a row in Tests/Tidy/architecture.py" for name in sorted(modules)]


def the_table_has_one_direction(_: Repository) -> list[str]:
    problems, above = [], set(C_MODULES)
    for name, module in MODULES.items():
        problems += [f"{name}: imports {other}, which does not stand above it" for other in sorted(module.ours - above)]
        above.add(name)
    return problems


def imports_are_in_the_table(repository: Repository) -> list[str]:
    problems = []
    for file in repository.swift("Sources"):
        module = MODULES.get(file.module)
        if module is None:
            continue
        for index, line in enumerate(file.code):
            match = IMPORT.match(line)
            if match and match[1] not in module.ours | module.others | ANYWHERE:
                problems.append(f"{file.place(index)}: {file.module} may not import {match[1]}")
    return problems


def dependencies_are_in_the_table(repository: Repository) -> list[str]:
    problems = []
    for name, declaration in targets(repository.text("Package.swift")).items():
        if name in MODULES:
            allowed = MODULES[name].ours
        elif name in C_DEPENDENCIES:
            allowed = C_DEPENDENCIES[name]
        else:
            continue
        listed = re.search(r"dependencies:\s*\[([^]]*)\]", declaration)
        ours = set(re.findall(r'(?<!name: )"(\w[\w-]*)"(?!,? package)', listed[1] if listed else ""))
        ours -= set(re.findall(r'(?:name|package): "([^"]*)"', listed[1] if listed else ""))
        problems += [f"Package.swift: {name} may not depend on {other}" for other in sorted(ours - allowed)]
    return problems


def modules_without_pointers_are_built_so(repository: Repository) -> list[str]:
    """The compiler's own check, for the libraries that need no raw memory at all."""
    declared = targets(repository.text("Package.swift"))
    return [f"Package.swift: {name} needs swiftSettings: safe"
            for name, module in MODULES.items()
            if name.startswith("Coffer") and module.raw is False and name in declared
            and "swiftSettings: safe" not in declared[name]]


def raw_memory_stays_where_it_is_allowed(repository: Repository) -> list[str]:
    problems = []
    for file in repository.swift("Sources"):
        module = MODULES.get(file.module)
        if module is None or module.raw is True:
            continue
        if module.raw and file.path.rsplit("/", 1)[1] in module.raw:
            continue
        for index, line in enumerate(file.code):
            found = RAW.search(line)
            if found:
                problems.append(f"{file.place(index)}: {found[1]}, and {file.module} may not touch raw memory there")
    return problems


def targets(manifest: str) -> dict[str, str]:
    """The declaration of each target, by name."""
    found = {}
    for start in re.finditer(r"\.(?:target|executableTarget|systemLibrary)\(", manifest):
        depth, end = 1, start.end()
        while depth and end < len(manifest):
            depth += {"(": 1, ")": -1}.get(manifest[end], 0)
            end += 1
        declaration = manifest[start.end():end]
        name = re.search(r'name:\s*"([^"]+)"', declaration)
        if name and "path:" not in declaration:
            found[name[1]] = declaration
    return found


CHECKS = [
    every_module_has_a_row, the_table_has_one_direction, imports_are_in_the_table, dependencies_are_in_the_table,
    only_drivers_name_types_of_vaults, reactors_name_no_service, modules_without_pointers_are_built_so, raw_memory_stays_where_it_is_allowed,
]
