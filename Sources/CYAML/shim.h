#ifndef COFFER_CYAML_H
#define COFFER_CYAML_H

/* libyaml: its parser, which hands out events. */

#include <yaml.h>

#endif
