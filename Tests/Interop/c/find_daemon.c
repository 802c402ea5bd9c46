/* Asks the daemon that the environment names for a record, and prints how that
 * ended: "STATUS: text". */
#include <coffer/coffer.h>
#include <stdio.h>

int main(void) {
    coffer_record *record = NULL;
    coffer_client *client = coffer_open(NULL);
    coffer_status status = coffer_get(client, "nobody", "nothing", NULL, &record);
    printf("%s: %s\n", coffer_status_name(status), coffer_error_message(client));
    coffer_record_free(record);
    coffer_close(client);
    return 0;
}
