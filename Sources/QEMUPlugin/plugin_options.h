// What the plugins of the project have in common: options `NAME=VALUE` after the plugin's path,
// separated by commas, of which `out=FILE` is one of each; and the file that they write at QEMU's end.
//
// A plugin defines `PLUGIN_NAME`, a string, before it includes this file.

#ifndef APUS_PLUGIN_OPTIONS_H
#define APUS_PLUGIN_OPTIONS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// An option: a number written as 0x and 1 to 16 hexadecimal digits.
struct plugin_option {
  const char *name;
  // What its value is, for the usage and for a complaint.
  const char *kind;
  uint64_t *value;
  uint64_t least;
  uint64_t most;
  // Without it the value stays what it was.
  bool is_optional;
};

struct plugin_options {
  size_t count;
  const struct plugin_option *options;
};

static FILE *output;
static char *output_path;

static inline bool parse_address(const char *text, uint64_t *address) {
  if (strncmp(text, "0x", 2) != 0 || strlen(text) < 3 || strlen(text) > 18 ||
      strspn(text + 2, "0123456789abcdefABCDEF") != strlen(text + 2)) {
    return false;
  }
  *address = strtoull(text + 2, NULL, 16);
  return true;
}

// Says what is wrong with an option, and what the options are.
static inline bool refuse(const struct plugin_options *known, const char *what,
                          const char *which) {
  fprintf(stderr, PLUGIN_NAME ": %s%s; usage: -plugin lib" PLUGIN_NAME ".so,", what, which);
  for (size_t index = 0; index < known->count; index++) {
    fprintf(stderr, "%s=0x%s,", known->options[index].name, known->options[index].kind);
  }
  fputs("out=FILE\n", stderr);
  return false;
}

static inline bool parse_option(const struct plugin_options *known, char *option,
                                uint64_t *given) {
  if (strncmp(option, "out=", 4) == 0 && option[4] != '\0') {
    free(output_path);
    output_path = strdup(option + 4);
    return true;
  }
  for (size_t index = 0; index < known->count; index++) {
    const struct plugin_option *wanted = &known->options[index];
    size_t length = strlen(wanted->name);
    if (strncmp(option, wanted->name, length) != 0 || option[length] != '=') {
      continue;
    }
    if (!parse_address(option + length + 1, wanted->value) || *wanted->value < wanted->least ||
        *wanted->value > wanted->most) {
      return refuse(known, "not a hexadecimal number that it can be: ", option);
    }
    *given |= UINT64_C(1) << index;
    return true;
  }
  return refuse(known, "unknown option: ", option);
}

// Reads the options and opens the file.
static inline bool open_output(const struct plugin_options *known, int argc, char **argv) {
  uint64_t given = 0;
  for (int index = 0; index < argc; index++) {
    if (!parse_option(known, argv[index], &given)) {
      return false;
    }
  }
  for (size_t index = 0; index < known->count; index++) {
    if ((given >> index & 1) == 0 && !known->options[index].is_optional) {
      return refuse(known, "missing option: ", known->options[index].name);
    }
  }
  if (output_path == NULL) {
    return refuse(known, "missing option: ", "out");
  }
  output = fopen(output_path, "w");
  if (output == NULL) {
    fprintf(stderr, PLUGIN_NAME ": cannot write %s: %s\n", output_path, strerror(errno));
  }
  return output != NULL;
}

static inline void close_output(void) {
  bool failed = ferror(output) != 0;
  failed = fclose(output) != 0 || failed;
  if (failed) {
    fprintf(stderr, PLUGIN_NAME ": cannot write %s: %s\n", output_path, strerror(errno));
  }
}

#endif
