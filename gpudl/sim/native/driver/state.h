// state.h: what the parts of the driver stand-in share. Every stream runs its work at once, on the calling thread, so a
// stream is little more than a name, until it captures: then its work is kept as nodes of a graph.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "abi.h"
#include "driver.h"

namespace sim_driver __attribute__((visibility("hidden"))) {

// --- errors (errors.cpp) ---
// Notes the error and its message for this thread, and returns the code.
int fail(int code, const char* format, ...) __attribute__((format(printf, 2, 3)));
int fail(int code);  // with CUDA's own words
int remember(int code);
const char* error_name(int code);
const char* error_text(int code);

// --- devices (devices.cpp) ---
struct Stream;
struct Pool {
  int device;
  uint64_t values[9] = {};  // by cudaMemPoolAttr
};
struct Device {
  int index;
  size_t used = 0;
  std::set<int> peers;  // devices whose memory this one may reach
  Stream* legacy;
  Pool default_pool;
  Pool* pool;
  size_t limits[8];
};
int device_count();  // as many as GPUDL_SIM_DEVICES says
Device& device(int index);
int current_device();
bool valid_device(int index);
int check_devices();  // 0, or the error of a wrong GPUDL_SIM_DEVICES
size_t device_capacity();
int device_attribute(int attribute, int device);

// Guards all that is declared below. Never held while a host function of the user runs: it may wait for Python's lock.
std::recursive_mutex& lock();
typedef std::lock_guard<std::recursive_mutex> Guard;

struct Counters {
  std::atomic<int64_t> launches, host_to_device, device_to_host, device_to_device, bytes_host_to_device,
      bytes_device_to_host, synchronizations, allocations, graph_launches, library_calls;
};
extern Counters counters;
SimOptions options();

// --- memory (memory.cpp) ---
enum class Kind { device, managed, pinned, registered, module };
struct Allocation {
  uintptr_t start;
  size_t bytes;
  Kind kind;
  int device;
  Pool* pool;
  bool held = false;  // freed by the user, while a capture may have recorded work on it
};
// The allocation that holds an address, or ends at it with nothing else there; false if there is none.
bool find_allocation(const void* address, Allocation* found);
void add_allocation(const Allocation& allocation);
// 0, or an error: bytes at an address must lie in one live allocation that a device can reach.
int check_device_memory(const char* what, const void* address, size_t bytes, int device);
bool on_device(const Allocation& allocation);  // its bytes count as initialized only when told so

// --- graphs and streams (capture.cpp, streams.cpp, graphs.cpp) ---
typedef std::function<int()> Work;
struct Node {
  int type;
  std::string label;
  Work run;
  std::vector<std::shared_ptr<Node>> after;
};
typedef std::shared_ptr<Node> NodePointer;
typedef std::set<NodePointer> Nodes;
// Memory that was freed while a graph was recorded, freed in truth when the last graph that may use it is gone. Arrays
// come from a pool in real programs, so that a step's temporaries stay mapped for the graph; here the graph keeps them.
typedef std::vector<std::shared_ptr<void>> HeldMemory;
struct Graph {
  std::vector<NodePointer> nodes;
  HeldMemory held;
};
struct Capture {
  std::shared_ptr<Graph> graph;
  Stream* origin;
  int mode;
  unsigned long long id;
  uint64_t thread;
  bool broken = false;
  std::set<Stream*> streams;
};
typedef std::shared_ptr<Capture> CapturePointer;
struct Stream {
  int device;
  int flags = 0;
  int priority = 0;
  bool legacy = false;
  unsigned long long id = 0;
  CapturePointer capture;
  Nodes last;  // what the next node must wait for
};
struct Event {
  int device;
  int flags;
  bool recorded = false;
  double milliseconds = 0;
  CapturePointer capture;  // of the stream it was last recorded in
  Nodes after;
};
// The stream of a handle; null, with the error noted, if it is none.
Stream* find_stream(void* handle, int* error);
Event* find_event(void* handle);
double now_milliseconds();
// Does work on a stream: at once, or later where the stream captures. May invalidate a capture that it disturbs.
int submit(Stream* stream, int type, std::string label, Work work);
int submit(void* handle, int type, std::string label, Work work);
// Notes work in a capturing stream's graph.
void record_node(Stream* stream, int type, std::string label, Work work);
bool capturing(Stream* stream);
bool any_capture();
void hold_in_captures(const std::shared_ptr<void>& memory);
void break_capture(const CapturePointer& capture);
void leave_capture(const CapturePointer& capture);  // its streams go on without it
// 0, or the error (its capture broken) of a call that a capturing stream, or one beside it, does not allow.
int check_quiet_stream(Stream* stream, const char* call);
int check_legacy(Stream* stream, const char* call);
// 0, or the error of a call that this thread must not make while captures are under way (cudaMalloc and its like).
int check_safe(const char* call);
uint64_t thread_number();
int run_nodes(const std::vector<NodePointer>& nodes);
void* add_graph(std::shared_ptr<Graph> graph);
void* graph_handle(const std::shared_ptr<Graph>& graph);

// --- modules (modules.cpp, launch.cpp) ---
struct Parameter {
  bool pointer;
  size_t bytes;
};
struct Module {
  void* handle;
  std::string path;
  std::vector<std::string> names;
  std::vector<std::string> variable_names;
  std::vector<SimVariable> variables;
  SimModule image;
};
struct Function {
  std::shared_ptr<Module> module;
  std::string name;
  void (*entry)(void**);
  std::vector<Parameter> parameters;
  bool known_parameters;
  int static_bytes;
  int dynamic_limit;
};
Function* find_function(void* handle);
bool in_module(const void* address);
int blocks_per_multiprocessor(const Function& function, int threads, size_t dynamic_bytes);

// The emulated device, as an A100 has it, so that what fits here fits on most.
const int kMultiprocessors = 108, kThreadsPerMultiprocessor = 2048, kThreadsPerBlock = 1024, kWarp = 32;
const int kSharedPerBlock = 48 << 10, kSharedOptIn = 163 << 10, kSharedPerMultiprocessor = 164 << 10;
const int kBlocksPerMultiprocessor = 32, kRegisters = 65536, kReservedShared = 1 << 10;
const int kCapability[2] = {8, 0};

}  // namespace sim_driver
