// The block sizes that the heap rounds up to, as a table: one load finds the class of a size.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define APUS_SIZE_CLASS_COUNT 14
#define APUS_LARGEST_BLOCK 2048

// Powers of two, and halfway between from 32 on.
static const uint16_t apus_block_sizes[APUS_SIZE_CLASS_COUNT] = {
    16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048};

// The class times 16, which is where a CPU's magazine is, by the size in units of 16 bytes, rounded
// up.
static const uint8_t apus_size_class_offsets[APUS_LARGEST_BLOCK / 16 + 1] = {
    0, 0, 16, 32, 48, 64, 64, 80, 80, 96, 96, 96, 96, 112, 112, 112,
    112, 128, 128, 128, 128, 128, 128, 128, 128, 144, 144, 144, 144, 144, 144, 144,
    144, 160, 160, 160, 160, 160, 160, 160, 160, 160, 160, 160, 160, 160, 160, 160,
    160, 176, 176, 176, 176, 176, 176, 176, 176, 176, 176, 176, 176, 176, 176, 176,
    176, 192, 192, 192, 192, 192, 192, 192, 192, 192, 192, 192, 192, 192, 192, 192,
    192, 192, 192, 192, 192, 192, 192, 192, 192, 192, 192, 192, 192, 192, 192, 192,
    192, 208, 208, 208, 208, 208, 208, 208, 208, 208, 208, 208, 208, 208, 208, 208,
    208, 208, 208, 208, 208, 208, 208, 208, 208, 208, 208, 208, 208, 208, 208, 208,
    208};

// For a block of at most APUS_LARGEST_BLOCK bytes.
static inline __attribute__((always_inline)) uint64_t apus_size_class_offset(uint64_t size) {
  return apus_size_class_offsets[(size + 15) >> 4];
}
static inline __attribute__((always_inline)) uint64_t apus_block_size(uint64_t size_class) {
  return apus_block_sizes[size_class];
}
