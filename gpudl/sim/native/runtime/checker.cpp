// checker.cpp: bounds, races and reads of memory that nobody has written.
//
// A race: two threads touch the same bytes, at least one of them writes, they are not both atomic, and nothing orders
// them. Within a block a barrier does (other epoch), within a warp __syncwarp too; between blocks only the pattern
// "write, __threadfence(), atomic" and then "atomic, read" (as when the last block sums up what the others wrote).
#include "checker.hpp"

#include <stdio.h>

#include <algorithm>
#include <string>
#include <vector>

#include "../language/callouts.hpp"
#include "image.hpp"
#include "memory.hpp"
#include "state.hpp"

extern "C" char __ehdr_start __attribute__((visibility("hidden"))), _end __attribute__((visibility("hidden")));

namespace sim {

static Shadow static_shadow, dynamic_shadow;  // of shared memory; block numbers tell old entries from new ones
static Written static_written, dynamic_written;
static size_t static_size, dynamic_size;  // that these were made for

// Per block of the launch: whether it has published its writes, by a fence and then an atomic operation.
static std::vector<bool> published;
static std::vector<bool> fenced;  // per thread of the running block
static bool acquired;             // the running block has done an atomic operation on global memory

struct Place {
  Shadow* shadow;
  Written* written;     // null: not known
  size_t offset, size;  // of the access, and of the piece of memory
  const SimVariable* variable;  // in static shared memory, all of which shares one shadow
  bool global;
};

// A loop around atomicCAS begins with a plain read. It races with the atomic operations of others, but does no harm,
// since the atomicCAS sees whether the value is still the same. So such a read is a race only if its thread goes on
// without an atomic operation there.
static struct {
  bool set;
  Place place;
  Access earlier, read;
  uintptr_t code;
} early_read;

static std::string name_of(const Place& place) {
  char text[200];
  size_t offset = place.offset, size = place.size;
  const SimVariable* variable = place.variable;
  if (variable) {
    offset -= variable->low - run.module->variables[0].low;
    size = variable->high - variable->low;
    snprintf(text, sizeof text, "byte %zu of the shared variable '%s' (%zu bytes)", offset, variable->name, size);
  } else if (place.global) {
    snprintf(text, sizeof text, "byte %zu of an array in global memory (%zu bytes)", offset, size);
  } else {
    snprintf(text, sizeof text, "byte %zu of the dynamic shared memory (%zu bytes)", offset, run.dynamic_shared_bytes);
  }
  return text;
}

static const char* verb(Kind kind) {
  return kind == Kind::Read ? "read" : kind == Kind::Write ? "write" : "atomic operation";
}

void start_checking() {
  size_t size = shared_size(run.module);
  if (size > static_size) {
    static_shadow.clear();
    static_written.forget();
    static_size = size;
  }
  if (run.dynamic_shared_bytes > dynamic_size) {
    dynamic_shadow.clear();
    dynamic_written.forget();
    dynamic_size = run.dynamic_shared_bytes;
  }
  published.clear();
  fenced.assign(run.threads, false);
}

void start_checking_block() {
  static_written.clear(static_size);
  dynamic_written.clear(dynamic_size);
  published.push_back(false);
  early_read.set = false;
  fenced.assign(run.threads, false);
  acquired = false;
}

void note_fence() {
  if (run.checked) fenced[run.current] = true;
}

static bool ordered_between_blocks(const Access& earlier) { return acquired && published[earlier.block - run.first_block]; }

// Whether two accesses, of which at least one writes, are a race.
static bool clash(const Access& earlier, const Access& now, bool global) {
  if (earlier.block < run.first_block || (earlier.atomic() && now.atomic())) return false;
  if (earlier.block != now.block) return global && !ordered_between_blocks(earlier);
  if (earlier.thread == now.thread || earlier.epoch() != now.epoch()) return false;
  bool same_warp = earlier.thread / 32 == now.thread / 32;
  return !same_warp || earlier.warp_epoch == now.warp_epoch;
}

static void note_race(const Place& place, const Access& earlier, bool earlier_wrote, Kind kind, uintptr_t code) {
  const SimIndex& other = run.index[std::min((int)earlier.thread, run.threads - 1)];
  if (run.doubtful_memory == place.shadow) run.doubt.set = false;  // the read came too early, that is all
  const char* earlier_verb = !earlier_wrote ? "read" : earlier.atomic() ? "atomic operation" : "write";
  note_at(code, run.module->low + earlier.code, "race",
          "race on %s: no barrier orders this %s after the %s by thread (%u,%u,%u)%s", name_of(place).c_str(), verb(kind),
          earlier_verb, other.x, other.y, other.z, earlier.block == run.block ? "" : " of another block");
}

[[noreturn]] static void report_race(const Place& place, const Access& earlier, bool earlier_wrote, Kind kind,
                                     uintptr_t code) {
  note_race(place, earlier, earlier_wrote, kind, code);
  leave_kernel();
}

static void note_early_read() {
  early_read.set = false;
  note_race(early_read.place, early_read.earlier, true, Kind::Read, early_read.code);
  run.failure.thread = run.index[early_read.read.thread];
  run.failure.has_thread = true;
}

void finish_checking_block() {
  if (early_read.set && !run.failure.set) note_early_read();
}

static bool same_thread(const Access& a, const Access& b) { return a.thread == b.thread && a.block == b.block; }

// What the access that follows an early read means for it.
static void settle_early_read(const Place& place, const Access& now, Kind kind) {
  bool same_place = early_read.place.shadow == place.shadow && early_read.place.offset == place.offset;
  bool same = same_thread(early_read.read, now);
  if (same && now.atomic() && same_place) {
    early_read.set = false;
  } else if (!same || kind != Kind::Read) {
    note_early_read();
    leave_kernel();
  }
}

static void check_cell(Cell& cell, const Access& now, const Place& place, Kind kind, uintptr_t code) {
  if (now.atomic()) {  // its own plain read before it, in such a loop, counts as part of it
    if (same_thread(cell.read, now)) cell.read = now;
    if (same_thread(cell.other_read, now)) cell.other_read = now;
  }
  if (clash(cell.write, now, place.global)) {
    if (kind != Kind::Read || !cell.write.atomic()) report_race(place, cell.write, true, kind, code);
    early_read = {true, place, cell.write, now, code};
  }
  if (kind == Kind::Read) {
    if (!same_thread(cell.read, now)) cell.other_read = cell.read;
    cell.read = now;
    return;
  }
  if (clash(cell.read, now, place.global)) report_race(place, cell.read, false, kind, code);
  if (clash(cell.other_read, now, place.global)) report_race(place, cell.other_read, false, kind, code);
  cell.write = now;
}

static void check_place(const Place& place, size_t bytes, Kind kind, uintptr_t code) {
  if (place.written) {
    if ((kind == Kind::Read || kind == Kind::Atomic) && !run.relaxed) {
      // A struct is read whole, with the padding between its members that nobody ever writes; a number is not. So
      // that padding is no false alarm, half of the bytes and more must be missing.
      size_t missing = place.written->missing(place.offset, bytes);
      if (2 * missing >= bytes && missing)
        note_doubt(code, place.shadow, "%s of %zu bytes at %s, which nobody has written", verb(kind), bytes,
                   name_of(place).c_str());
    }
    if (kind != Kind::Read) place.written->mark(place.offset, bytes, place.size);
  }
  if (run.relaxed) return;
  bool atomic = kind == Kind::Atomic || kind == Kind::AtomicExchange;
  if (atomic && place.global) {
    acquired = true;
    if (fenced[run.current]) published[run.block - run.first_block] = true;
  }
  Access now = {run.block, run.barrier_epoch << 1 | atomic, (uint32_t)(code - run.module->low), (uint16_t)run.current,
                run.warp_epoch[run.current >> 5]};
  if (early_read.set) settle_early_read(place, now, kind);
  size_t count;
  Cell* cell = place.shadow->at(place.offset, bytes, place.size, &count);
  for (size_t i = 0; i < count; ++i) check_cell(cell[i], now, place, kind, code);
}

[[noreturn]] static void report_outside(uintptr_t address, size_t bytes, Kind kind, uintptr_t code) {
  if (is_stack(address))
    fail_at(code, 0, "out-of-bounds", "%s of %zu bytes in the local memory of another thread", verb(kind), bytes);
  char where[200];
  // An access that begins inside and ends outside is past the end all the same.
  describe_address(find_allocation(address) ? address + bytes - 1 : address, where, sizeof where);
  fail_at(code, 0, "out-of-bounds", "%s of %zu bytes at %p, %s", verb(kind), bytes, (void*)address, where);
}

static void check_static(uintptr_t address, size_t bytes, Kind kind, uintptr_t code) {
  const SimVariable* variable = shared_variable(run.module, address);
  if (!variable && address >= run.module->high) report_outside(address, bytes, kind, code);
  if (!variable) return;  // a constant table, or a __device__ variable
  if (address + bytes > variable->high) {
    if (address >= variable->high && in_other_object(run.module, address)) return;
    fail_at(code, 0, "out-of-bounds", "%s of %zu bytes that ends %ld bytes past the end of the shared variable '%s' of "
            "%zu bytes", verb(kind), bytes, (long)(address + bytes - variable->high), variable->name,
            (size_t)(variable->high - variable->low));
  }
  Place place = {&static_shadow, &static_written, address - run.module->variables[0].low, static_size, variable, false};
  check_place(place, bytes, kind, code);
}

void check_access(uintptr_t address, size_t bytes, Kind kind, uintptr_t code) {
  if (!run.active || run.fiber == &launcher) return;
  if (address - (uintptr_t)run.fiber->stack < kStackBytes) return;
  if (address - (uintptr_t)&__ehdr_start < (uintptr_t)(&_end - &__ehdr_start)) return;  // threadIdx and its like
  check_time(code);
  if (Allocation* found = find_allocation(address)) {
    size_t size = found->high - found->low;
    bool dynamic = (char*)found->low == run.dynamic_shared;
    // CuPy's atomics of 16 bits work on the 32 bits around them, whose other half may lie behind the array's end.
    size_t slack = run.relaxed && bytes == 4 && address % 4 == 0 ? 2 : 0;
    if (address + bytes > found->high + slack) report_outside(address, bytes, kind, code);
    bytes = std::min<size_t>(bytes, found->high - address);
    Written* written = knows_written(found) ? &found->written : nullptr;
    Place place = {&found->shadow, written, address - found->low, size, nullptr, true};
    // What is kept of shared memory has room for the largest launch so far.
    if (dynamic)
      place = {&dynamic_shadow, &dynamic_written, address - found->low, dynamic_size, nullptr, false};
    check_place(place, bytes, kind, code);
  } else if (address - run.module->low < run.module->high - run.module->low + kNear) {
    check_static(address, bytes, kind, code);
  } else {
    report_outside(address, bytes, kind, code);
  }
}

void check_range(uintptr_t address, size_t bytes, Kind kind, uintptr_t code) {
  if (bytes) check_access(address, bytes, kind, code);
}

}  // namespace sim
