// Stores a credential, gets it, prints it, deletes it.
import { Coffer } from "@coffer/client";

const coffer = new Coffer();
try {
    await coffer.store("ada", "mail", JSON.stringify({ apiKey: "k-123" }));
    const record = await coffer.get("ada", "mail");
    console.log(record.json(), record.version, record.source, `${record.ageMs} ms`);
    await coffer.delete("ada", "mail");
} catch (error) {
    console.error(`coffer: ${error.code}: ${error.message}`);
    process.exitCode = 1;
}
