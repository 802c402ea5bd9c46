/* The bare request that a miss is compared with: libcurl, one kept connection, one
 * GET after another, nothing decoded.
 *
 *     bare-get URL CAFILE TOKENFILE SECONDS WARMUP
 *
 * Prints one line of JSON, as coffer-load does. Exit status 1 if an answer is not 200. */

#define _GNU_SOURCE
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static size_t take(char *bytes, size_t size, size_t count, void *taken) {
    (void)bytes;
    *(size_t *)taken += size * count;
    return size * count;
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* "X-Vault-Token: " and the file's first line; NULL if there is none. */
static struct curl_slist *token_header(const char *path) {
    char header[512] = "X-Vault-Token: ";
    FILE *file = fopen(path, "re");
    size_t used = strlen(header);
    if (file == NULL || fgets(header + used, (int)(sizeof header - used), file) == NULL) return NULL;
    fclose(file);
    header[strcspn(header, "\r\n")] = '\0';
    return curl_slist_append(NULL, header);
}

static CURL *make_request(char **arguments, long version, size_t *taken) {
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = token_header(arguments[3]);
    if (curl == NULL || headers == NULL) return NULL;
    curl_easy_setopt(curl, CURLOPT_URL, arguments[1]);
    curl_easy_setopt(curl, CURLOPT_CAINFO, arguments[2]);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, version);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, taken);
    return curl;
}

/* One GET; -1 if it was not answered with 200 and a body. */
static int get(CURL *curl, size_t *taken) {
    long status = 0;
    *taken = 0;
    CURLcode result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (result == CURLE_OK && status == 200 && *taken > 0) return 0;
    fprintf(stderr, "bare-get: %s, status %ld\n", curl_easy_strerror(result), status);
    return -1;
}

int main(int count, char **arguments) {
    enum { MAXIMUM = 1 << 22 };
    if (count != 6 && (count != 7 || strcmp(arguments[6], "1.1") != 0)) {
        fprintf(stderr, "usage: %s URL CAFILE TOKENFILE SECONDS WARMUP [1.1]\n", arguments[0]);
        return 2;
    }
    double seconds = atof(arguments[4]), *latencies = malloc(MAXIMUM * sizeof *latencies);
    size_t taken, done = 0;
    CURL *curl = make_request(arguments, count == 7 ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_NONE, &taken);
    if (latencies == NULL || curl == NULL) {
        fprintf(stderr, "bare-get: no memory, or no token in %s\n", arguments[3]);
        return 2;
    }
    double start = now_us() + atof(arguments[5]) * 1e6, began;
    while ((began = now_us()) < start + seconds * 1e6 && done < MAXIMUM) {
        if (get(curl, &taken) != 0) return 1;
        if (began >= start) latencies[done++] = now_us() - began;
    }
    if (done == 0) return 1;
    qsort(latencies, done, sizeof *latencies, compare);
    printf("{\"target\":\"bare\",\"ratePerSecond\":%.1f,\"errors\":0,\"get\":{\"count\":%zu,\"p50\":%.3f,\"p99\":%.3f}}\n",
           (double)done / seconds, done, latencies[done / 2], latencies[done - 1 - done / 100]);
    return 0;
}
