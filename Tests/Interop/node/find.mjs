// Asks the daemon that the environment names for a record; prints "STATUS: text".

import { Coffer } from "../../../clients/node/dist/esm.mjs";

const coffer = new Coffer();
try {
    await coffer.get("nobody", "nothing");
    console.log("OK: ");
} catch (error) {
    console.log(`${error.code}: ${error.message}`);
}
