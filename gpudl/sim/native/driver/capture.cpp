// capture.cpp: stream capture: work kept as nodes, who may do what meanwhile, and what spoils a capture.
#include <cstdarg>

#include "state.h"

namespace sim_driver {
namespace {

thread_local int thread_mode = kGlobalMode;

std::set<CapturePointer>& live_captures() {
  static auto* captures = new std::set<CapturePointer>;
  return *captures;
}

bool blocking(const Stream* stream) { return !(stream->flags & kStreamNonBlocking); }

// The captures with a stream that synchronizes with the legacy stream.
std::vector<CapturePointer> blocking_captures(int device) {
  std::vector<CapturePointer> found;
  for (const CapturePointer& capture : live_captures())
    for (Stream* stream : capture->streams)
      if (blocking(stream) && stream->device == device) {
        found.push_back(capture);
        break;
      }
  return found;
}

void reach(const NodePointer& node, Nodes* reached) {
  std::vector<NodePointer> open = {node};
  while (!open.empty()) {
    NodePointer next = open.back();
    open.pop_back();
    if (reached->insert(next).second) open.insert(open.end(), next->after.begin(), next->after.end());
  }
}

}  // namespace

void leave_capture(const CapturePointer& capture) {
  for (Stream* stream : capture->streams) {
    stream->capture.reset();
    stream->last.clear();
  }
  capture->streams.clear();
  live_captures().erase(capture);
}

uint64_t thread_number() {
  static std::atomic<uint64_t> next{1};
  thread_local uint64_t number = next++;
  return number;
}

bool capturing(Stream* stream) { return stream->capture != nullptr; }

bool any_capture() { return !live_captures().empty(); }

void hold_in_captures(const std::shared_ptr<void>& memory) {
  for (const CapturePointer& capture : live_captures()) capture->graph->held.push_back(memory);
}

void break_capture(const CapturePointer& capture) {
  if (capture) capture->broken = true;
}

int check_legacy(Stream* stream, const char* call) {
  if (!stream->legacy) return kSuccess;
  Guard guard(lock());
  std::vector<CapturePointer> disturbed = blocking_captures(stream->device);
  if (disturbed.empty()) return kSuccess;
  for (const CapturePointer& capture : disturbed) break_capture(capture);
  return fail(kCaptureImplicit, "%s on the legacy (null) stream while a blocking stream captures", call);
}

int check_safe(const char* call) {
  if (thread_mode == kRelaxedMode) return kSuccess;
  Guard guard(lock());
  bool forbidden = false;
  for (const CapturePointer& capture : live_captures()) {
    bool mine = capture->thread == thread_number() && capture->mode != kRelaxedMode;
    bool global = thread_mode == kGlobalMode && capture->mode == kGlobalMode;
    if (!mine && !global) continue;
    break_capture(capture);
    forbidden = true;
  }
  if (!forbidden) return kSuccess;
  return fail(kCaptureUnsupported, "%s while a stream captures; only the relaxed mode of capture allows it", call);
}

int check_quiet_stream(Stream* stream, const char* call) {
  Guard guard(lock());
  if (capturing(stream)) {
    break_capture(stream->capture);
    return fail(kCaptureUnsupported, "%s of the stream that captures", call);
  }
  if (int error = check_legacy(stream, call)) return error;
  return check_safe(call);
}

void record_node(Stream* stream, int type, std::string label, Work work) {
  auto node = std::make_shared<Node>();
  node->type = type;
  node->label = std::move(label);
  node->run = std::move(work);
  node->after.assign(stream->last.begin(), stream->last.end());
  stream->last = {node};
  stream->capture->graph->nodes.push_back(node);
}

int submit(Stream* stream, int type, std::string label, Work work) {
  {
    Guard guard(lock());
    if (stream->capture) {
      if (stream->capture->broken) return fail(kCaptureInvalidated);
      record_node(stream, type, std::move(label), std::move(work));
      return kSuccess;
    }
    if (int error = check_legacy(stream, label.c_str())) return error;
  }
  return work();
}

int submit(void* handle, int type, std::string label, Work work) {
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  return stream ? submit(stream, type, std::move(label), std::move(work)) : error;
}

}  // namespace sim_driver

using namespace sim_driver;

SIM_EXPORT int cudaThreadExchangeStreamCaptureMode(int* mode) {
  if (!mode || *mode < kGlobalMode || *mode > kRelaxedMode) return fail(kInvalidValue);
  std::swap(*mode, thread_mode);
  return kSuccess;
}

SIM_EXPORT int cudaStreamBeginCapture(void* handle, int mode) {
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  if (!stream) return error;
  if (mode < kGlobalMode || mode > kRelaxedMode) return fail(kInvalidValue, "capture mode %d", mode);
  if (stream->legacy) return fail(kCaptureUnsupported, "the legacy (null) stream cannot be captured");
  Guard guard(lock());
  if (stream->capture) return fail(kIllegalState, "the stream captures already");
  static unsigned long long next_id = 1;
  auto capture = std::make_shared<Capture>();
  capture->graph = std::make_shared<Graph>();
  capture->origin = stream;
  capture->mode = mode;
  capture->id = next_id++;
  capture->thread = thread_number();
  capture->streams.insert(stream);
  stream->capture = capture;
  stream->last.clear();
  live_captures().insert(capture);
  return kSuccess;
}

SIM_EXPORT int cudaStreamEndCapture(void* handle, void** out) {
  if (out) *out = nullptr;
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  if (!stream) return error;
  Guard guard(lock());
  CapturePointer capture = stream->capture;
  if (!capture) return fail(kIllegalState, "cudaStreamEndCapture: the stream does not capture");
  if (capture->origin != stream) {
    break_capture(capture);
    return fail(kCaptureUnmatched);
  }
  if (capture->mode != kRelaxedMode && capture->thread != thread_number()) {
    break_capture(capture);
    return fail(kCaptureWrongThread);
  }
  Nodes reached;
  for (const NodePointer& node : stream->last) reach(node, &reached);
  leave_capture(capture);
  if (capture->broken) return fail(kCaptureInvalidated);
  if (reached.size() != capture->graph->nodes.size())
    return fail(kCaptureUnjoined, "%zu of %zu nodes lie in streams that the origin does not wait for",
                capture->graph->nodes.size() - reached.size(), capture->graph->nodes.size());
  if (out) *out = add_graph(capture->graph);
  return kSuccess;
}

static int capture_status(void* handle, int* status, Stream** found) {
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  if (!stream) return error;
  Guard guard(lock());
  if (stream->legacy && !blocking_captures(stream->device).empty())
    return fail(kCaptureImplicit, "asked of the legacy (null) stream while a blocking stream captures");
  *status = !stream->capture ? kCaptureNone : stream->capture->broken ? kCaptureBroken : kCaptureActive;
  *found = stream;
  return kSuccess;
}

SIM_EXPORT int cudaStreamIsCapturing(void* handle, int* status) {
  Stream* stream;
  return capture_status(handle, status, &stream);
}

static int capture_info(void* handle, int* status, unsigned long long* id, void** graph, const void*** nodes,
                        const void** edges, size_t* count) {
  Stream* stream;
  if (int error = capture_status(handle, status, &stream)) return error;
  if (*status != kCaptureActive) return kSuccess;
  Guard guard(lock());
  thread_local std::vector<const void*> dependencies;
  dependencies.clear();
  for (const NodePointer& node : stream->last) dependencies.push_back(node.get());
  if (id) *id = stream->capture->id;
  if (graph) *graph = graph_handle(stream->capture->graph);
  if (nodes) *nodes = dependencies.data();
  if (edges) *edges = nullptr;
  if (count) *count = dependencies.size();
  return kSuccess;
}

SIM_EXPORT int cudaStreamGetCaptureInfo_v2(void* stream, int* status, unsigned long long* id, void** graph,
                                           const void*** nodes, size_t* count) {
  return capture_info(stream, status, id, graph, nodes, nullptr, count);
}

SIM_EXPORT int cudaStreamGetCaptureInfo_v3(void* stream, int* status, unsigned long long* id, void** graph,
                                           const void*** nodes, const void** edges, size_t* count) {
  return capture_info(stream, status, id, graph, nodes, edges, count);
}

// CUDA 12 has three arguments under this name, CUDA 13 the seven of _v3. Variable arguments, since a function must not
// touch places for arguments that its caller did not make.
SIM_EXPORT int cudaStreamGetCaptureInfo(void* stream, int* status, unsigned long long* id, ...) {
  if (sim_cuda_version() < 13000) return capture_info(stream, status, id, nullptr, nullptr, nullptr, nullptr);
  va_list more;
  va_start(more, id);
  void** graph = va_arg(more, void**);
  const void*** nodes = va_arg(more, const void***);
  const void** edges = va_arg(more, const void**);
  size_t* count = va_arg(more, size_t*);
  va_end(more);
  return capture_info(stream, status, id, graph, nodes, edges, count);
}
