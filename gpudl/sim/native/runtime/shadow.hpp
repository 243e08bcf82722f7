// shadow.hpp: what the checker remembers of a piece of memory.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

namespace sim {

// One access, with the numbers that tell whether it is ordered before another one.
struct Access {
  uint32_t block;             // numbered over all launches; 0: no access yet
  uint32_t epoch_and_atomic;  // block barriers so far, times 2, plus 1 for an atomic operation
  uint32_t code;              // where in the kernel's image
  uint16_t thread, warp_epoch;  // __syncwarp()s of its warp so far

  bool atomic() const { return epoch_and_atomic & 1; }
  uint32_t epoch() const { return epoch_and_atomic >> 1; }
};

// The accesses to one grain of memory that matter: the last write, and reads by two different threads.
struct Cell {
  Access write, read, other_read;
};

// The cells of a piece of memory, made at the first access. Memory is mostly accessed in units of 4 or 8 bytes, so
// that one cell is kept for each; the first access that begins or ends within one splits them all.
class Shadow {
 public:
  Shadow() = default;
  Shadow(const Shadow&) = delete;
  ~Shadow() { free(cells_); }

  // The first of the cells that `width` bytes at this offset touch; `count` of them. `size`: of the whole piece.
  Cell* at(size_t offset, size_t width, size_t size, size_t* count) {
    if (!cells_ || (offset | width) % grain_) split(offset, width, size);
    *count = (offset + width - 1) / grain_ - offset / grain_ + 1;
    return cells_ + offset / grain_;
  }

  void clear() {
    free(cells_);
    cells_ = nullptr;
  }

 private:
  void split(size_t offset, size_t width, size_t size) {
    size_t grain = cells_ ? grain_ : 8;
    while ((offset | width) % grain) grain /= 2;
    size_t count = size / grain + 1;
    Cell* cells = (Cell*)calloc(count, sizeof(Cell));
    if (!cells) abort();  // the check mode's own memory; nothing sensible is left to do
    if (cells_)
      for (size_t i = 0; i < count; ++i) cells[i] = cells_[i * grain / grain_];
    free(cells_);
    cells_ = cells;
    grain_ = grain;
  }

  Cell* cells_ = nullptr;
  size_t grain_ = 0;
};

// Which bytes of a piece of memory hold a value.
class Written {
 public:
  Written() = default;
  Written(const Written&) = delete;
  ~Written() { free(map_); }

  void mark(size_t offset, size_t width, size_t size) {
    if (all_) return;
    if (offset == 0 && width >= size) {
      mark_all();
      return;
    }
    if (!map_) map_ = (uint8_t*)calloc(size, 1);
    if (map_) memset(map_ + offset, 1, width);
  }

  void mark_all() {
    all_ = true;
    free(map_);
    map_ = nullptr;
  }

  void clear(size_t size) {  // keeps the map's memory: shared memory is cleared at every block
    all_ = false;
    if (map_) memset(map_, 0, size);
  }

  void forget() {
    all_ = false;
    free(map_);
    map_ = nullptr;
  }

  // These bytes hold a value where the other piece's do, from its offset on. The pieces may be the same, overlapping.
  void copy(size_t offset, size_t size, const Written& source, size_t source_offset, size_t width) {
    if (source.all_) {
      mark(offset, width, size);
      return;
    }
    bool all = all_;
    if (!map_) map_ = (uint8_t*)calloc(size, 1);
    if (!map_) return;
    if (all) memset(map_, 1, size);
    all_ = false;
    if (source.map_)
      memmove(map_ + offset, source.map_ + source_offset, width);
    else
      memset(map_ + offset, 0, width);
  }

  // How many of these bytes hold none.
  size_t missing(size_t offset, size_t width) const {
    if (all_) return 0;
    if (!map_) return width;
    size_t count = 0;
    for (size_t i = 0; i < width; ++i) count += !map_[offset + i];
    return count;
  }

  bool all() const { return all_; }

 private:
  uint8_t* map_ = nullptr;
  bool all_ = false;
};

}  // namespace sim
