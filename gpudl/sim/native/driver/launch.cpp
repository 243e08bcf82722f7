// launch.cpp: kernels are started here: limits as CUDA has them, arguments that no kernel could use, the report of one
// that failed. After a failure the device lives on, as a real one would not.
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>

#include "state.h"

namespace sim_driver {
namespace {

struct Shape {
  unsigned grid[3], block[3];
  size_t shared_bytes;
};

std::string describe(const Function& function, const Shape& shape) {
  char text[200];
  snprintf(text, sizeof text, "\ngrid (%u,%u,%u) block (%u,%u,%u) shared %zu", shape.grid[0], shape.grid[1],
      shape.grid[2],
           shape.block[0], shape.block[1], shape.block[2], shape.shared_bytes);
  return function.name + text;
}

int check_shape(const Function& function, const Shape& shape) {
  const char* name = function.name.c_str();
  uint64_t threads = 1;
  for (int axis = 0; axis < 3; ++axis) {
    if (!shape.grid[axis] || !shape.block[axis])
      return fail(kInvalidValue, "kernel '%s': a grid or a block of size 0", name);
    if (shape.block[axis] > (unsigned)device_attribute(2 + axis, 0))
      return fail(kInvalidValue, "kernel '%s': a block of %u threads along axis %d; %d is the limit", name,
                  shape.block[axis], axis, device_attribute(2 + axis, 0));
    if (shape.grid[axis] > (unsigned)device_attribute(5 + axis, 0))
      return fail(kInvalidValue, "kernel '%s': a grid of %u blocks along axis %d; %d is the limit", name,
                  shape.grid[axis], axis, device_attribute(5 + axis, 0));
    threads *= shape.block[axis];
  }
  if (threads > (uint64_t)kThreadsPerBlock)
    return fail(kInvalidValue, "kernel '%s': a block of %llu threads; %d is the limit", name,
        (unsigned long long)threads,
                kThreadsPerBlock);
  if (shape.shared_bytes > (size_t)function.dynamic_limit)
    return fail(kInvalidValue,
                "kernel '%s': %zu bytes of dynamic shared memory; %d are left unless the kernel's attribute "
                "MAX_DYNAMIC_SHARED_SIZE_BYTES allows more",
                name, shape.shared_bytes, function.dynamic_limit);
  return kSuccess;
}

// Whether the process itself could read there: then it is memory of the host.
bool readable(const void* address) {
  char byte;
  iovec into = {&byte, 1}, from = {const_cast<void*>(address), 1};
  return process_vm_readv(getpid(), &into, 1, &from, 1, 0) == 1;
}

int check_pointer(const Function& function, size_t number, const void* address, bool surely_pointer, int index) {
  Allocation found;
  if (!address) return kSuccess;
  if (find_allocation(address, &found)) {
    if (!on_device(found) || found.device == index || device(index).peers.count(found.device)) return kSuccess;
    return fail(kIllegalAddress,
                "kernel '%s', argument %zu: %p is memory of device %d, the kernel runs on device %d "
                "without peer access",
                function.name.c_str(), number, address, found.device, index);
  }
  if (!surely_pointer || in_module(address) || !readable(address)) return kSuccess;
  return fail(kIllegalAddress, "kernel '%s', argument %zu: %p is memory of the host, which a GPU could not reach",
              function.name.c_str(), number, address);
}

// Pointers lie in arguments of their own, and in structures such as CuPy's arrays, which begin with one.
int check_arguments(const Function& function, void** arguments, int index) {
  for (size_t number = 0; number < function.parameters.size(); ++number) {
    const Parameter& parameter = function.parameters[number];
    for (size_t at = 0; at + sizeof(void*) <= parameter.bytes; at += sizeof(void*)) {
      void* address;
      memcpy(&address, (char*)arguments[number] + at, sizeof address);
      if (int error = check_pointer(function, number, address, parameter.pointer, index)) return error;
    }
  }
  return kSuccess;
}

int code_of(const char* kind) {
  static const std::pair<const char*, int> codes[] = {
      {"out-of-bounds", kIllegalAddress}, {"illegal-address", kIllegalAddress}, {"use-after-free", kIllegalAddress},
      {"misaligned", kMisalignedAddress}, {"alignment", kMisalignedAddress},    {"timeout", kLaunchTimeout},
      {"assert", kAssert},
  };
  for (const auto& [name, code] : codes)
    if (!strcmp(kind, name)) return code;
  return kLaunchFailure;
}

int run_kernel(const Function& function, const Shape& shape, void** arguments) {
  Guard guard(lock());  // the runtime runs one kernel at a time
  SimOptions chosen = options();
  SimReport report;
  memset(&report, 0, sizeof report);
  if (!sim_launch(&function.module->image, function.name.c_str(), function.entry, arguments, shape.grid, shape.block,
                  shape.shared_bytes, &chosen, &report))
    return kSuccess;
  return fail(code_of(report.kind), "[%s] %s", report.kind, report.text);
}

// The arguments' values, kept for replay.
struct KeptArguments {
  std::vector<std::vector<uint64_t>> values;  // eight-byte words, so that they are aligned
  std::vector<void*> addresses;
  KeptArguments(const Function& function, void** arguments) {
    for (size_t index = 0; index < function.parameters.size(); ++index) {
      values.emplace_back(function.parameters[index].bytes / 8 + 2);
      // 16 bytes are the widest alignment of an argument.
      uintptr_t start = ((uintptr_t)values.back().data() + 15) & ~(uintptr_t)15;
      memcpy((void*)start, arguments[index], function.parameters[index].bytes);
      addresses.push_back((void*)start);
    }
  }
  KeptArguments(const KeptArguments&) = delete;
};

int record_kernel(Stream* stream, const Function& function, const Shape& shape, void** arguments) {
  if (stream->capture->broken) return fail(kCaptureInvalidated);
  if (!function.known_parameters) {
    break_capture(stream->capture);
    return fail(kCaptureUnsupported, "kernel '%s': its object does not tell the sizes of its arguments",
        function.name.c_str());
  }
  auto kept = std::make_shared<KeptArguments>(function, arguments);
  int index = stream->device;
  record_node(stream, kKernelNode, describe(function, shape), [function, shape, kept, index] {
    if (int error = check_arguments(function, kept->addresses.data(), index)) return error;
    return run_kernel(function, shape, kept->addresses.data());
  });
  return kSuccess;
}

}  // namespace

int blocks_per_multiprocessor(const Function& function, int threads, size_t dynamic_bytes) {
  int warps = (threads + kWarp - 1) / kWarp;
  size_t shared = function.static_bytes + dynamic_bytes + kReservedShared;
  if (threads < 1 || threads > kThreadsPerBlock || dynamic_bytes > (size_t)function.dynamic_limit) return 0;
  int blocks = std::min(kBlocksPerMultiprocessor, kThreadsPerMultiprocessor / (warps * kWarp));
  return std::min(blocks, (int)(kSharedPerMultiprocessor / shared));
}

}  // namespace sim_driver

using namespace sim_driver;

SIM_EXPORT int cuLaunchKernel(void* handle, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                              unsigned block_y, unsigned block_z, unsigned shared_bytes, void* stream_handle,
                              void** arguments, void** extra) {
  int error = kSuccess;
  Stream* stream = find_stream(stream_handle, &error);
  if (!stream) return error;
  Function* found = find_function(handle);
  if (!found) return fail(kInvalidHandle, "cuLaunchKernel: no such kernel, or its module was unloaded");
  if (extra) return fail(kNotSupported, "cuLaunchKernel with its arguments in one buffer");
  Function function = *found;
  Shape shape = {{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes};
  if ((error = check_shape(function, shape))) return error;
  if (stream->device != current_device())
    return fail(kInvalidHandle, "kernel '%s': a stream of device %d while device %d is current", function.name.c_str(),
                stream->device, current_device());
  if ((error = check_arguments(function, arguments, stream->device))) return error;
  {
    Guard guard(lock());
    if (capturing(stream)) return record_kernel(stream, function, shape, arguments);
    if ((error = check_legacy(stream, "cuLaunchKernel"))) return error;
  }
  ++counters.launches;
  return run_kernel(function, shape, arguments);
}

SIM_EXPORT int cuLaunchCooperativeKernel(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                                         void*, void**) {
  return fail(kNotSupported, "cooperative launches: the sim's blocks run one after another, so a grid cannot meet");
}
