// Handlers of devices, each with a kind of call that a checker has to follow.
#include "kernel.h"

struct lock statistics_lock;
word statistics[4];
static volatile word ticks;

// ---- The timer: a tail call, a lock, and a pointer in data that can be written ------------------

static NOINLINE void idle_none(int cpu) { statistics[3] = (word)cpu; }
ISR_SAFE(idle_none);
void (*idle_hook)(int cpu) = idle_none;

#ifdef BUG_RECURSION
static NOINLINE word count_parts(word number) {
  if (number < 2) return number;
  word half = count_parts(number / 2);
  return half * count_parts(number / 3) + 1;
}
ISR_SAFE(count_parts);
#endif

static NOINLINE void count_tick(void) {
  word flags = lock_acquire_quietly(&statistics_lock);
  statistics[1]++;
  lock_release_quietly(&statistics_lock, flags);
#ifdef BUG_RECURSION
  statistics[2] = count_parts(ticks);
#endif
}
#ifndef BUG_UNANNOTATED
ISR_SAFE(count_tick);
#endif

static NOINLINE void wake_sleepers(word now) {
  static volatile word deadlines[8];
#ifdef BUG_STACK
  volatile word snapshot[1024];
  for (int index = 0; index < 1024; index++) snapshot[index] = now;
  now += snapshot[now & 1023];
#endif
#ifdef BUG_FRAME
  byte *copy = __builtin_alloca(now);
  for (word index = 0; index < now; index++) ((volatile byte *)copy)[index] = 1;
#endif
  for (int index = 0; index < 8; index++) {
    if (deadlines[index] && deadlines[index] <= now) deadlines[index] = 0;
  }
#ifdef BUG_INDIRECT
  idle_hook(0);
#endif
}
ISR_SAFE(wake_sleepers);

void timer_interrupt(void *device) {
  *(word *)device = ++ticks;
  wake_sleepers(ticks);
#ifdef BUG_STI
  interrupts_enable();
#endif
#ifdef BUG_FLOAT
  statistics[2] = load_average(ticks);
#endif
  count_tick();
}
ISR_SAFE(timer_interrupt);

// ---- The keyboard: a dense switch, each case with a call of its own -----------------------------

#define KEY(name, port) \
  static NOINLINE void name(word code) { port_write(port, code); } \
  ISR_SAFE(name)
KEY(key_letter, 1);
KEY(key_digit, 2);
KEY(key_enter, 3);
KEY(key_escape, 4);
KEY(key_arrow, 5);
KEY(key_shift, 6);
KEY(key_control, 7);
KEY(key_function, 8);
KEY(key_media, 9);
#undef KEY

static NOINLINE void key_unknown(word code) {
  statistics[2] = code;
#ifdef BUG_UNDECODABLE
#if defined(__x86_64__)
  __asm__ volatile(".byte 0x06");
#else
  __asm__ volatile(".inst 0x02000000");
#endif
#endif
}
ISR_SAFE(key_unknown);

void keyboard_interrupt(void *device) {
  word code = port_read(60);
  *(word *)device = code;
  switch (code >> 4) {
    case 0: key_letter(code + 3); break;
    case 1: key_digit(code + 1); break;
    case 2: key_enter(code); break;
    case 3: key_escape(code ^ 5); break;
    case 4: key_arrow(code - 9); break;
    case 5: key_shift(code & 7); break;
    case 6: key_control(code | 64); break;
    case 7: key_function(code * 3); break;
    case 8: key_media(code + 8); break;
    case 9: key_letter(code * 5); break;
    default: key_unknown(code); break;
  }
  statistics[3]++;
}
ISR_SAFE(keyboard_interrupt);

// ---- The network: a constant table of functions, and vector registers between save and restore --

struct protocol {
  const char *name;
  word (*receive)(const byte *packet, word count);
};

static word receive_raw(const byte *packet, word count) { return packet[0] + count; }
ISR_SAFE(receive_raw);

static word receive_checked(const byte *packet, word count) {
  vector_unit_begin();
  word sum = vector_checksum(packet, count);
  vector_unit_end();
  return sum;
}
ISR_SAFE(receive_checked);

static word receive_counted(const byte *packet, word count) {
#ifdef BUG_ALLOC
  byte *copy = allocate(count);
  copy[0] = packet[0];
#endif
  statistics[0] += count;
  return packet[1];
}
ISR_SAFE(receive_counted);

static const struct protocol protocols[] = {
  {"raw", receive_raw},
  {"checked", receive_checked},
  {"counted", receive_counted},
};

void network_interrupt(void *device) {
  const byte *packet = device;
  word kind = packet[0];
  if (kind >= sizeof protocols / sizeof *protocols) return;
  statistics[2] ^= protocols[kind].receive(packet, 64);
#ifdef BUG_READ
  vector_peek(device);
#endif
}
ISR_SAFE(network_interrupt);

// ---- The disk: an indirect tail call ------------------------------------------------------------

static void disk_read_done(void *request) { *(word *)request = 1; }
ISR_SAFE(disk_read_done);
static void disk_write_done(void *request) { *(word *)request = 2; }
ISR_SAFE(disk_write_done);
static void disk_flush_done(void *request) { *(word *)request = 3; }
ISR_SAFE(disk_flush_done);
static void disk_trim_done(void *request) { *(word *)request = port_read(7); }
ISR_SAFE(disk_trim_done);

static void (*const completions[4])(void *request) = {
  disk_read_done, disk_write_done, disk_flush_done, disk_trim_done,
};

void disk_interrupt(void *device) { completions[port_read(8) & 3](device); }
ISR_SAFE(disk_interrupt);
