import { CofferError } from "./error.js";

/**
 * Ends a listing in which a page token comes again, by Brent's rule: it keeps one token, whatever the listing's length, and
 * finds every circle within three times the pages that lead into and around it.
 */
export class PageTokens {
    private kept = "";
    private age = 0;
    private longestAge = 1;

    /** @param token of the next page; empty after the last page */
    check(token: string): void {
        if (token === "") return;
        if (token === this.kept) {
            throw new CofferError(
                "INTERNAL", "the daemon answered List with the token of a page that it gave before", { reason: "MALFORMED" });
        }
        this.age += 1;
        if (this.age < this.longestAge) return;
        this.kept = token;
        this.age = 0;
        this.longestAge *= 2;
    }
}
