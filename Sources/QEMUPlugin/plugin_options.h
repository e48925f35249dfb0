// What the plugins of the project have in common in their options, `NAME=VALUE` after the
// plugin's path and separated by commas.

#ifndef APUS_PLUGIN_OPTIONS_H
#define APUS_PLUGIN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Reads a number written as 0x and 1 to 16 hexadecimal digits.
static inline bool parse_address(const char *text, uint64_t *address) {
  if (strncmp(text, "0x", 2) != 0 || strlen(text) < 3 || strlen(text) > 18 ||
      strspn(text + 2, "0123456789abcdefABCDEF") != strlen(text + 2)) {
    return false;
  }
  *address = strtoull(text + 2, NULL, 16);
  return true;
}

#endif
