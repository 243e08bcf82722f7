// entry.hpp: how the driver calls a kernel, and what it tells of it.
//
//   SIM_IMAGE                 sim_image(void** low_high): where the object lies in memory
//   SIM_ENTRY(3, adam<float>) sim_entry_3(void** arguments): runs one thread, as cuLaunchKernel passes arguments
//                             sim_signature_3(char* text): its parameters, each followed by a comma:
//     i4 u8 f4   a number: signed, unsigned, floating, with its size in bytes; f2 is __half, b2 __nv_bfloat16, ?1 bool
//     P, p       in front: a pointer to such, and a pointer to const such ("Pf4": float*); *0 is void
//     V40        a struct of that size
#pragma once
#include <stddef.h>
#include <stdio.h>

#include <type_traits>
#include <utility>

#include "half.hpp"

namespace sim {

template <class T>
struct Code {
  static int put(char* text) {
    int size = (int)sizeof(T);
    if (std::is_same<T, bool>::value) return sprintf(text, "?1");
    if (std::is_floating_point<T>::value) return sprintf(text, "f%d", size);
    if (std::is_enum<T>::value) return sprintf(text, "i%d", size);
    if (std::is_integral<T>::value) return sprintf(text, "%c%d", std::is_signed<T>::value ? 'i' : 'u', size);
    return sprintf(text, "V%d", size);
  }
};
template <>
struct Code<void> {
  static int put(char* text) { return sprintf(text, "*0"); }
};
template <>
struct Code<__half> {
  static int put(char* text) { return sprintf(text, "f2"); }
};
template <>
struct Code<__nv_bfloat16> {
  static int put(char* text) { return sprintf(text, "b2"); }
};
template <class T>
struct Code<const T> : Code<T> {};
template <class T>
struct Code<volatile T> : Code<T> {};
template <class T>
struct Code<T*> {
  static int put(char* text) {
    *text = std::is_const<T>::value ? 'p' : 'P';
    return 1 + Code<T>::put(text + 1);
  }
};

template <class... Parameters>
void signature(void (*)(Parameters...), char* text) {
  int ignored[] = {0, ((text += Code<typename std::remove_cv<Parameters>::type>::put(text)), *text++ = ',', 0)...};
  (void)ignored;
  *text = 0;
}

template <class... Parameters, size_t... I>
SIM_UNCHECKED void call_with(void (*kernel)(Parameters...), void** arguments, std::index_sequence<I...>) {
  kernel(*(typename std::remove_const<Parameters>::type*)arguments[I]...);
}
template <class... Parameters>
SIM_UNCHECKED void call(void (*kernel)(Parameters...), void** arguments) {
  call_with(kernel, arguments, std::index_sequence_for<Parameters...>());
}

template <class... Parameters>
int register_entry(void (*entry)(void**), void (*)(Parameters...)) {
  static const unsigned sizes[] = {(unsigned)sizeof(Parameters)..., 0};
  return sim_register_entry(entry, sizes, (int)sizeof...(Parameters));
}

}  // namespace sim

#define SIM_EXPORT extern "C" __attribute__((visibility("default"), used))
#define SIM_ENTRY(index, ...)                                                              \
  SIM_EXPORT void sim_entry_##index(void** arguments) { sim::call(&__VA_ARGS__, arguments); } \
  SIM_EXPORT void sim_signature_##index(char* text) { sim::signature(&__VA_ARGS__, text); }   \
  static const int sim_registered_##index = sim::register_entry(&sim_entry_##index, &__VA_ARGS__);
#define SIM_IMAGE                                                     \
  extern "C" char __ehdr_start __attribute__((visibility("hidden"))); \
  extern "C" char _end __attribute__((visibility("hidden")));         \
  SIM_EXPORT void sim_image(void** low_high) {                        \
    low_high[0] = &__ehdr_start;                                      \
    low_high[1] = &_end;                                              \
  }
