// memory.cpp: device memory. Every allocation ends where a page that traps begins, so that reading or writing past it
// is caught in fast mode too. What is left on its pages is filled with a canary.
#include "memory.hpp"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <map>

#include "state.hpp"

namespace sim {

std::mutex lock;

static std::map<uintptr_t, Allocation> allocations;
static size_t used, peak, total = (size_t)4 << 30;
static uint64_t last_unchecked_launch, launches;

constexpr unsigned char kFill = 0xFF;  // NaN for every float type, -1 for integers
constexpr unsigned char kCanary = 0xA5;
constexpr size_t kFrontCanary = 64;

static size_t page_size() {
  static const size_t size = (size_t)sysconf(_SC_PAGESIZE);
  return size;
}

// Device memory is aligned as its size is, as far as CUDA promises (256 bytes): then it ends right at the guard page
// wherever that is possible.
static size_t alignment_of(size_t bytes) {
  size_t alignment = bytes ? bytes & (~bytes + 1) : 256;
  return std::min<size_t>(256, std::max<size_t>(16, alignment));
}

static size_t padded(size_t bytes) {
  size_t alignment = alignment_of(bytes);
  return std::max((bytes + alignment - 1) / alignment * alignment, alignment);
}

// Freed pages wait here, and the oldest of a size are used again only when there are several. Most do not trap, since
// changing the protection of pages costs microseconds, and new ones still more: their use shows in the arguments of a
// launch (launch.cpp), and in check mode at every access. Huge ones go back to the system, and trap.
struct Freed {
  char* pages;
  uintptr_t low, high;  // of the allocation that lay there
  bool traps;
};
static std::map<size_t, std::deque<Freed>> freed;  // by the number of bytes in pages
static size_t accessible;                          // bytes in freed pages that do not trap
static size_t freed_count, mapped_count;           // of freed ones, and of all
constexpr size_t kHuge = 16 << 20, kKeepAccessible = 256 << 20;
// Every mapping takes two or three of those that Linux gives a process, 65530, and others need some as well.
constexpr size_t kKeepFreed = 4096, kMostMapped = 20000;

static size_t kept_count(size_t bytes) { return bytes <= 64 << 10 ? 16 : 4; }

// Rounds up to one of eight sizes for every power of two, so that large mappings are used again as well.
static size_t size_class(size_t bytes) {
  size_t pages = (bytes + page_size() - 1) / page_size(), step = 1;
  while (pages / step >= 16) step *= 2;
  return (pages + step - 1) / step * step * page_size();
}

static char* map_pages(size_t bytes) {
  std::deque<Freed>& waiting = freed[bytes];
  if (waiting.size() >= kept_count(bytes)) {
    Freed oldest = waiting.front();
    if (oldest.traps && mprotect(oldest.pages, bytes, PROT_READ | PROT_WRITE)) return nullptr;
    if (!oldest.traps) accessible -= bytes;
    waiting.pop_front();
    --freed_count;
    return oldest.pages;
  }
  if (mapped_count >= kMostMapped) return nullptr;
  char* memory = (char*)mmap(nullptr, bytes + 2 * page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                             -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  if (mprotect(memory + page_size(), bytes, PROT_READ | PROT_WRITE)) {
    munmap(memory, bytes + 2 * page_size());
    return nullptr;
  }
  ++mapped_count;
  return memory + page_size();
}

static void put_aside(const Allocation& allocation) {
  size_t bytes = allocation.page_bytes;
  bool traps = bytes > kHuge || accessible + bytes > kKeepAccessible;
  if (traps) {
    mprotect(allocation.pages, bytes, PROT_NONE);
    madvise(allocation.pages, bytes, MADV_DONTNEED);
  } else {
    accessible += bytes;
  }
  std::deque<Freed>& waiting = freed[bytes];
  waiting.push_back({allocation.pages, allocation.low, allocation.high, traps});
  if (++freed_count <= kKeepFreed) return;
  if (!waiting.front().traps) accessible -= bytes;
  munmap(waiting.front().pages - page_size(), bytes + 2 * page_size());
  waiting.pop_front();
  --freed_count;
  --mapped_count;
}

static const Freed* find_freed(uintptr_t address) {
  for (auto& of_size : freed)
    for (auto& old : of_size.second)
      if (address - old.low < old.high - old.low) return &old;
  return nullptr;
}

size_t freed_size(uintptr_t address) {
  const Freed* old = find_freed(address);
  return old ? old->high - old->low : 0;
}

// Pages found last for an address: kernels go back and forth between a few arrays.
constexpr size_t kCached = 1024;
static Allocation* cache[kCached];

static Allocation*& cached(uintptr_t address) { return cache[(address >> 12) % kCached]; }

Allocation* find_allocation(uintptr_t address) {
  Allocation*& last = cached(address);
  if (last && address - last->low < last->high - last->low) return last;
  auto next = allocations.upper_bound(address);
  if (next == allocations.begin()) return nullptr;
  Allocation* found = &std::prev(next)->second;
  if (address >= found->high) return nullptr;
  return last = found;
}

Allocation* allocate(size_t bytes) {
  size_t length = padded(bytes), page_bytes = size_class(length + kFrontCanary);
  char* pages = map_pages(page_bytes);
  char* start;
  if (pages) {
    start = pages + page_bytes - length;
  } else {
    // Too many arrays live for each to have pages of its own. Without guard pages the canary still sees writes, and
    // the check mode everything.
    char* memory = nullptr;
    if (posix_memalign((void**)&memory, 256, 256 + length)) return nullptr;
    start = memory + 256;
  }
  memset(start - kFrontCanary, kCanary, kFrontCanary);
  memset(start, kFill, bytes);
  memset(start + bytes, kCanary, length - bytes);
  Allocation& made = allocations[(uintptr_t)start];
  made.low = (uintptr_t)start;
  made.high = made.low + bytes;
  made.pages = pages;
  made.page_bytes = page_bytes;
  made.born = launches;
  return &made;
}

void release(Allocation* allocation) {
  size_t pages = ((allocation->high - 1) >> 12) - (allocation->low >> 12) + 1;
  for (size_t i = 0; i < std::min(pages, kCached); ++i) cached(allocation->low + (i << 12)) = nullptr;
  if (allocation->pages)
    put_aside(*allocation);
  else
    free((char*)allocation->low - 256);
  allocations.erase(allocation->low);
}

bool knows_written(const Allocation* allocation) { return allocation->born >= last_unchecked_launch; }

void forget_written() { last_unchecked_launch = ++launches; }

bool check_canary(const Allocation* allocation, bool argument) {
  unsigned char* start = (unsigned char*)allocation->low;
  size_t bytes = allocation->high - allocation->low, length = padded(bytes);
  long where = 0;
  for (size_t i = bytes; i < length && !where; ++i)
    if (start[i] != kCanary) where = (long)(i - bytes) + 1;
  for (size_t i = 1; i <= kFrontCanary && !where; ++i)
    if (start[-(long)i] != kCanary) where = -(long)i;
  if (!where) return true;
  memset(start - kFrontCanary, kCanary, kFrontCanary);
  memset(start + bytes, kCanary, length - bytes);
  note_failure("out-of-bounds", "%s wrote %ld byte(s) %s an allocation of %zu bytes",
               argument ? "the kernel" : "this kernel, or one before it,", where < 0 ? -where : where,
               where < 0 ? "before the start of" : "past the end of", bytes);
  return false;
}

void check_some_canaries() {
  static uintptr_t last;
  auto next = allocations.upper_bound(last);
  for (int i = 0; i < 8 && !allocations.empty(); ++i, ++next) {
    if (next == allocations.end()) next = allocations.begin();
    last = next->first;
    if (!check_canary(&next->second, false)) return;
  }
}

void describe_address(uintptr_t address, char* text, size_t size) {
  if (size_t bytes = freed_size(address)) {
    snprintf(text, size, "in an allocation of %zu bytes that is freed already", bytes);
    return;
  }
  if (run.dynamic_shared_bytes == 0 && address < (1 << 20)) {
    snprintf(text, size, "a null pointer, perhaps dynamic shared memory, of which the launch gave none");
    return;
  }
  auto next = allocations.upper_bound(address);
  const Allocation *before = next == allocations.begin() ? nullptr : &std::prev(next)->second;
  const Allocation *after = next == allocations.end() ? nullptr : &next->second;
  long past = before ? (long)(address - before->high) : 0, ahead = after ? (long)(after->low - address) : 0;
  const char* dynamic = before && (char*)before->low == run.dynamic_shared ? "the dynamic shared memory" : "an allocation";
  if (before && past < 1 << 24 && (!after || past <= ahead))
    snprintf(text, size, "%ld bytes past the end of %s of %zu bytes", past, dynamic, before->high - before->low);
  else if (after && ahead < 1 << 24)
    snprintf(text, size, "%ld bytes before the start of %s of %zu bytes", ahead,
             (char*)after->low == run.dynamic_shared ? "the dynamic shared memory" : "an allocation",
             after->high - after->low);
  else
    snprintf(text, size, "near no allocation");
}

}  // namespace sim

using namespace sim;
using Guard = std::lock_guard<std::mutex>;

extern "C" void* sim_malloc(size_t bytes) {
  Guard guard(lock);
  if (bytes > total || used > total - bytes) return nullptr;
  Allocation* made = allocate(bytes);
  if (!made) return nullptr;
  used += bytes;
  peak = std::max(peak, used);
  return (void*)made->low;
}

extern "C" int sim_free(void* pointer) {
  Guard guard(lock);
  Allocation* found = find_allocation((uintptr_t)pointer);
  if (!found || found->low != (uintptr_t)pointer) return -1;
  used -= found->high - found->low;
  release(found);
  return 0;
}

extern "C" int sim_allocation(const void* address, void** start, size_t* bytes) {
  Guard guard(lock);
  Allocation* found = find_allocation((uintptr_t)address);
  if (!found) return -1;
  *start = (void*)found->low;
  *bytes = found->high - found->low;
  return 0;
}

extern "C" size_t sim_memory_used(void) { return used; }
extern "C" size_t sim_memory_peak(void) { return peak; }
extern "C" void sim_memory_reset_peak(void) { peak = used; }
extern "C" size_t sim_memory_total(void) { return total; }
extern "C" void sim_memory_set_total(size_t bytes) { total = bytes; }

extern "C" void sim_written(const void* address, size_t bytes) {
  Guard guard(lock);
  Allocation* found = find_allocation((uintptr_t)address);
  if (!found) return;
  size_t offset = (uintptr_t)address - found->low, size = found->high - found->low;
  found->written.mark(offset, std::min(bytes, size - offset), size);
}

extern "C" void sim_copied(const void* target, const void* source, size_t bytes) {
  Allocation *to, *from;
  {
    Guard guard(lock);
    to = find_allocation((uintptr_t)target);
    from = find_allocation((uintptr_t)source);
    if (to && from && knows_written(from) && !from->written.all()) {
      size_t into = (uintptr_t)target - to->low, offset = (uintptr_t)source - from->low;
      bytes = std::min({bytes, (size_t)(to->high - to->low) - into, (size_t)(from->high - from->low) - offset});
      to->written.copy(into, to->high - to->low, from->written, offset, bytes);
      return;
    }
  }
  sim_written(target, bytes);
}
