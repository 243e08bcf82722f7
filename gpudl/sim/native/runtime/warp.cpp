// warp.cpp: operations in which the lanes of a warp meet. The last lane to arrive computes everybody's result.
#include <algorithm>

#include "../language/callouts.hpp"
#include "state.hpp"

namespace sim {

const char* warp_operation_name(int operation) {
  static const char* const names[] = {"__syncwarp",        "__shfl_sync",       "__ballot_sync",     "__reduce_add_sync",
                                      "__reduce_min_sync", "__reduce_max_sync", "__reduce_min_sync", "__reduce_max_sync",
                                      "__reduce_and_sync", "__reduce_or_sync",  "__reduce_xor_sync", "__match_any_sync",
                                      "__match_all_sync"};
  return names[operation];
}

// What a lane gets when it asks for the value of a lane that is not there: all ones, so NaN for a float.
constexpr uint64_t kAbsent = ~0ull;

static uint64_t reduce(int operation, uint64_t a, uint64_t b) {
  switch (operation) {
    case SIM_WARP_ADD: return a + b;
    case SIM_WARP_MIN: return std::min(a, b);
    case SIM_WARP_MAX: return std::max(a, b);
    case SIM_WARP_MIN_SIGNED: return (uint64_t)std::min((int64_t)a, (int64_t)b);
    case SIM_WARP_MAX_SIGNED: return (uint64_t)std::max((int64_t)a, (int64_t)b);
    case SIM_WARP_AND: return a & b;
    case SIM_WARP_OR: return a | b;
    default: return a ^ b;
  }
}

// The results of the lanes in `lanes`, from the values that they posted.
static void compute(int operation, unsigned lanes, Thread* warp) {
  uint64_t value[32], all = 0;
  unsigned ballot = 0;
  bool first = true, equal = true;
  for (int lane = 0; lane < 32; ++lane) {
    if (!(lanes >> lane & 1)) continue;
    value[lane] = warp[lane].value;
    ballot |= (unsigned)(value[lane] & 1) << lane;
    equal = equal && (first || value[lane] == all);
    if (first || operation == SIM_WARP_MATCH_ALL)
      all = value[lane];
    else if (operation >= SIM_WARP_ADD && operation <= SIM_WARP_XOR)
      all = reduce(operation, all, value[lane]);
    first = false;
  }
  for (int lane = 0; lane < 32; ++lane) {
    if (!(lanes >> lane & 1)) continue;
    uint64_t& result = warp[lane].value;
    if (operation == SIM_WARP_SHUFFLE) {
      int source = warp[lane].source;
      result = lanes >> source & 1 ? value[source] : kAbsent;
    } else if (operation == SIM_WARP_BALLOT) {
      result = ballot;
    } else if (operation == SIM_WARP_MATCH_ANY) {
      uint64_t same = 0;
      for (int other = 0; other < 32; ++other)
        if (lanes >> other & 1 && value[other] == value[lane]) same |= 1ull << other;
      result = same;
    } else if (operation == SIM_WARP_MATCH_ALL) {
      result = equal ? lanes : 0;
    } else {
      result = all;
    }
  }
}

}  // namespace sim

using namespace sim;

extern "C" uint64_t sim_warp(int operation, unsigned mask, uint64_t value, int source, const char* file, int line) {
  int lane = run.current & 31, first = run.current & ~31, warp = run.current >> 5;
  int lanes = std::min(32, run.threads - first);
  unsigned exist = lanes == 32 ? ~0u : (1u << lanes) - 1, needed = mask & exist;
  if (!(mask >> lane & 1))
    sim_fail("warp-mask", "%s at %s:%d: lane %d calls it but is not in its mask 0x%08x", warp_operation_name(operation),
             file, line, lane, mask);
  Thread* members = &run.thread[first];
  Thread& self = members[lane];
  self.operation = (uint8_t)operation;
  self.mask = mask;
  self.value = value;
  self.source = source;
  self.file = file;
  self.line = line;
  self.state = State::AtWarp;
  run.arrived[warp] |= 1u << lane;
  if ((run.arrived[warp] & needed) != needed) {
    park();
    return members[lane].value;
  }
  for (int i = 0; i < lanes; ++i) {
    const Thread& other = members[i];
    if (!(needed >> i & 1) || (other.operation == operation && other.mask == mask && other.line == line)) continue;
    sim_fail("warp-divergence", "lanes %d and %d of a warp meet in different operations: %s at %s:%d with mask 0x%08x, "
             "and %s at %s:%d with mask 0x%08x", lane, i, warp_operation_name(operation), file, line, mask,
             warp_operation_name(other.operation), other.file, other.line, other.mask);
  }
  // Of all warp operations only __syncwarp orders accesses to memory.
  if (operation == SIM_WARP_SYNC) ++run.warp_epoch[warp];
  run.arrived[warp] &= ~needed;
  compute(operation, needed, members);
  for (int i = 0; i < lanes; ++i)
    if (needed >> i & 1 && i != lane) make_ready(first + i);
  self.state = State::Running;
  check_time();
  return self.value;
}

extern "C" unsigned sim_active_mask() {
  int first = run.current & ~31;
  unsigned mask = 0;
  for (int i = 0; i < 32 && first + i < run.threads; ++i)
    if (run.thread[first + i].state != State::Done) mask |= 1u << i;
  return mask;
}
