// sanitizer.cpp: what the compiler calls in kernels built with -fsanitize=thread (every access to memory) and
// -fsanitize=bounds-strict,alignment,... (what C++ leaves undefined). Nothing is linked with libtsan or libubsan.
#include <stdint.h>
#include <string.h>

#include "../language/callouts.hpp"
#include "checker.hpp"
#include "state.hpp"

using namespace sim;

#define CALLER ((uintptr_t)__builtin_return_address(0) - 1)
#define ACCESS(name, bytes, kind) \
  void __tsan_##name(void* address) { check_access((uintptr_t)address, bytes, kind, CALLER); }
#define ACCESSES(bytes)                               \
  ACCESS(read##bytes, bytes, Kind::Read)              \
  ACCESS(write##bytes, bytes, Kind::Write)            \
  ACCESS(unaligned_read##bytes, bytes, Kind::Read)    \
  ACCESS(unaligned_write##bytes, bytes, Kind::Write)  \
  ACCESS(volatile_read##bytes, bytes, Kind::Read)     \
  ACCESS(volatile_write##bytes, bytes, Kind::Write)   \
  ACCESS(unaligned_volatile_read##bytes, bytes, Kind::Read) \
  ACCESS(unaligned_volatile_write##bytes, bytes, Kind::Write)

#pragma GCC visibility push(default)
extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
void __tsan_read_range(void* address, size_t bytes) { check_range((uintptr_t)address, bytes, Kind::Read, CALLER); }
void __tsan_write_range(void* address, size_t bytes) { check_range((uintptr_t)address, bytes, Kind::Write, CALLER); }

void sim_atomic_access(void* address, int bytes, bool reads, void* caller) {
  check_access((uintptr_t)address, (size_t)bytes, reads ? Kind::Atomic : Kind::AtomicExchange, (uintptr_t)caller - 1);
}

void sim_thread_fence() { note_fence(); }

// Checked kernels are linked with --wrap for these three, since calls into libc are not instrumented.
void* __wrap_memcpy(void* target, const void* source, size_t bytes) {
  check_range((uintptr_t)source, bytes, Kind::Read, CALLER);
  check_range((uintptr_t)target, bytes, Kind::Write, CALLER);
  return memcpy(target, source, bytes);
}
void* __wrap_memmove(void* target, const void* source, size_t bytes) {
  check_range((uintptr_t)source, bytes, Kind::Read, CALLER);
  check_range((uintptr_t)target, bytes, Kind::Write, CALLER);
  return memmove(target, source, bytes);
}
void* __wrap_memset(void* target, int value, size_t bytes) {
  check_range((uintptr_t)target, bytes, Kind::Write, CALLER);
  return memset(target, value, bytes);
}

// The layouts of libubsan's arguments (GCC and Clang agree).
struct Location {
  const char* file;
  uint32_t line, column;
};
struct TypeName {
  uint16_t kind, info;
  char name[1];
};
struct OutOfBounds {
  Location location;
  TypeName *array, *index;
};
struct TypeMismatch {
  Location location;
  TypeName* type;
  unsigned char log_alignment, check;
};

void __ubsan_handle_out_of_bounds(OutOfBounds* data, void* index) {
  fail_at(0, 0, "index", "%s:%u: index %ld is out of bounds for type %s", data->location.file, data->location.line,
          (long)index, data->array->name);
}
void __ubsan_handle_type_mismatch_v1(TypeMismatch* data, void* address) {
  fail_at(0, 0, "misaligned", "%s:%u: address %p is not aligned for type %s, which needs a multiple of %d bytes",
          data->location.file, data->location.line, address, data->type->name, 1 << data->log_alignment);
}

#define ARITHMETIC(name, kind, what)                                                       \
  void __ubsan_handle_##name(Location* location, void*, void*) {                           \
    fail_at(0, 0, kind, "%s:%u: %s", location->file, location->line, what);                \
  }
ARITHMETIC(add_overflow, "overflow", "a signed sum does not fit its type")
ARITHMETIC(sub_overflow, "overflow", "a signed difference does not fit its type")
ARITHMETIC(mul_overflow, "overflow", "a signed product does not fit its type")
ARITHMETIC(negate_overflow, "overflow", "a negated number does not fit its type")
ARITHMETIC(divrem_overflow, "division", "integer division by zero, or its result does not fit")
ARITHMETIC(shift_out_of_bounds, "shift", "a shift by a negative number, or by as many bits as the type has")

}  // extern "C"
#pragma GCC visibility pop
