#ifndef COFFER_CWIPINGHEAP_H
#define COFFER_CWIPINGHEAP_H

/* A program that is linked with this wipes all memory that it gives back: its own
 * free(3) and realloc(3) stand before those of the C library, for Swift's objects and
 * for every library that it loads. So what a call leaves in strings, arrays and the buffers
 * of libraries is overwritten when they are freed. There is no function to call. */

#endif
