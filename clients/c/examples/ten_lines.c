/* Stores a credential, gets it, prints it, deletes it.
 * cc ten_lines.c $(pkg-config --cflags --libs coffer) */
#include <coffer/coffer.h>
#include <stdio.h>

int main(void) {
    coffer_client *client = coffer_open(NULL);
    coffer_record *record = NULL;
    if (coffer_store(client, "ann", "github", "s3cret", 6, NULL, NULL) == COFFER_OK &&
        coffer_get(client, "ann", "github", NULL, &record) == COFFER_OK) {
        fwrite(coffer_record_credential(record), 1, coffer_record_size(record), stdout);
        putchar('\n');
        coffer_delete(client, "ann", "github", NULL, NULL);
    }
    coffer_status status = coffer_error_status(client);
    if (status != COFFER_OK) fprintf(stderr, "%s\n", coffer_error_message(client));
    coffer_record_free(record);
    coffer_close(client);
    return (int)status;
}
