// events.cpp: events: a moment of the host's clock, or, in a capture, what other streams must wait for.
#include "state.h"

namespace sim_driver {
namespace {

std::set<Event*>& live_events() {
  static auto* events = new std::set<Event*>;
  return *events;
}

int no_event(const char* call, void* handle) { return fail(kInvalidHandle, "%s: %p is no live event", call, handle); }

// Waiting for an event that stands in a capture would wait for work that has not been started.
int check_waitable(Event* event, const char* call) {
  if (!event->capture) return check_safe(call);
  break_capture(event->capture);
  return fail(kCapturedEvent, "%s", call);
}

int record_outside(Event* event) {
  Guard guard(lock());
  if (!live_events().count(event)) return fail(kInvalidHandle, "a graph records an event that was destroyed");
  event->recorded = true;
  event->milliseconds = now_milliseconds();
  event->capture.reset();
  event->after.clear();
  return kSuccess;
}

int record(void* event_handle, void* stream_handle, unsigned flags) {
  int error = kSuccess;
  Stream* stream = find_stream(stream_handle, &error);
  if (!stream) return error;
  Guard guard(lock());
  Event* event = find_event(event_handle);
  if (!event) return no_event("cudaEventRecord", event_handle);
  if (event->device != stream->device)
    return fail(kInvalidHandle, "cudaEventRecord: an event of device %d in a stream of device %d", event->device,
                stream->device);
  if (flags & ~(unsigned)kEventRecordExternal) return fail(kInvalidValue);
  if (!capturing(stream)) {
    error = check_legacy(stream, "cudaEventRecord");
    return error ? error : record_outside(event);
  }
  if (stream->capture->broken) return fail(kCaptureInvalidated);
  if (flags & kEventRecordExternal)
    return submit(stream, kRecordNode, "event record", [event] { return record_outside(event); });
  event->recorded = false;
  event->capture = stream->capture;
  event->after = stream->last;
  return kSuccess;
}

int wait(void* stream_handle, void* event_handle) {
  int error = kSuccess;
  Stream* stream = find_stream(stream_handle, &error);
  if (!stream) return error;
  Guard guard(lock());
  Event* event = find_event(event_handle);
  if (!event) return no_event("cudaStreamWaitEvent", event_handle);
  const CapturePointer& capture = event->capture;
  if (!capture) {
    if (!stream->capture || !event->recorded) return check_legacy(stream, "cudaStreamWaitEvent");
    break_capture(stream->capture);
    return fail(kCaptureIsolation, "cudaStreamWaitEvent: the event was recorded before the capture, or outside of it");
  }
  if (capture->broken) return fail(kCaptureInvalidated);
  if (capture->streams.empty()) return fail(kCapturedEvent, "cudaStreamWaitEvent: the event's capture has ended");
  if (stream->legacy) {
    break_capture(capture);
    return fail(kCaptureImplicit, "cudaStreamWaitEvent: the legacy stream cannot join a capture");
  }
  if (stream->capture && stream->capture != capture) {
    break_capture(capture);
    break_capture(stream->capture);
    return fail(kCaptureMerge);
  }
  if (!stream->capture) {
    stream->capture = capture;
    stream->last.clear();
    capture->streams.insert(stream);
  }
  stream->last.insert(event->after.begin(), event->after.end());
  return kSuccess;
}

int elapsed(float* milliseconds, void* from, void* to) {
  Guard guard(lock());
  Event *start = find_event(from), *end = find_event(to);
  if (!start || !end) return no_event("cudaEventElapsedTime", start ? to : from);
  if (start->capture || end->capture) return fail(kCapturedEvent, "cudaEventElapsedTime");
  if ((start->flags | end->flags) & kEventDisableTiming || !start->recorded || !end->recorded ||
      start->device != end->device)
    return fail(kInvalidHandle, "cudaEventElapsedTime: an event without timing, not recorded, or of another device");
  *milliseconds = (float)(end->milliseconds - start->milliseconds);
  return kSuccess;
}

}  // namespace

Event* find_event(void* handle) { return live_events().count((Event*)handle) ? (Event*)handle : nullptr; }

}  // namespace sim_driver

using namespace sim_driver;

SIM_EXPORT int cudaEventCreateWithFlags(void** out, unsigned flags) {
  if (int error = check_devices()) return error;
  if (!out || flags > 7) return fail(kInvalidValue, "cudaEventCreate with flags %u", flags);
  Guard guard(lock());
  Event* event = new Event();
  event->device = current_device();
  event->flags = (int)flags;
  live_events().insert(event);
  *out = event;
  return kSuccess;
}

SIM_EXPORT int cudaEventCreate(void** out) { return cudaEventCreateWithFlags(out, 0); }

SIM_EXPORT int cudaEventDestroy(void* handle) {
  Guard guard(lock());
  if (!live_events().erase((Event*)handle)) return no_event("cudaEventDestroy", handle);
  delete (Event*)handle;
  return kSuccess;
}

SIM_EXPORT int cudaEventRecord(void* event, void* stream) { return record(event, stream, 0); }
SIM_EXPORT int cudaEventRecordWithFlags(void* event, void* stream, unsigned flags) {
  return record(event, stream, flags);
}
SIM_EXPORT int cudaStreamWaitEvent(void* stream, void* event, unsigned) { return wait(stream, event); }

SIM_EXPORT int cudaEventQuery(void* handle) {
  Guard guard(lock());
  Event* event = find_event(handle);
  return event ? check_waitable(event, "cudaEventQuery") : no_event("cudaEventQuery", handle);
}

SIM_EXPORT int cudaEventSynchronize(void* handle) {
  Guard guard(lock());
  Event* event = find_event(handle);
  if (!event) return no_event("cudaEventSynchronize", handle);
  if (int error = check_waitable(event, "cudaEventSynchronize")) return error;
  ++counters.synchronizations;
  return kSuccess;
}

SIM_EXPORT int cudaEventElapsedTime(float* milliseconds, void* start, void* end) {
  return elapsed(milliseconds, start, end);
}
SIM_EXPORT int cudaEventElapsedTime_v2(float* milliseconds, void* start, void* end) {
  return elapsed(milliseconds, start, end);
}
