// keywords.hpp: CUDA's keywords and built-in variables for the host's compiler.
#pragma once

#define __CUDACC__ 1
#define __CUDACC_VER_MAJOR__ 12
#define __CUDACC_VER_MINOR__ 9
#ifndef __CUDA_ARCH__
#define __CUDA_ARCH__ 800
#endif
#define CUDART_VERSION 12090
// Lets a kernel give the emulated device a plain form of what it has not (inline PTX, tensor cores).
#define GPUDL_SIM 1

#define __global__
#define __device__
#define __host__
#define __managed__
#define __grid_constant__
// The driver finds a __constant__ variable by its name, and no variable of another object takes its place.
#define __constant__ __attribute__((visibility("protected")))
// One block runs at a time, so that its shared variables are plain static ones. 16 bytes, as they lie in CUDA in practice.
#define __shared__ static __attribute__((aligned(16)))
#define __forceinline__ inline __attribute__((always_inline))
#define __inline_hint__
#undef __noinline__
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __maxnreg__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __builtin_align__(bytes) __attribute__((aligned(bytes)))
#define __restrict__ __restrict
#define __nv_pure__ __attribute__((pure))

// For functions of the device's own that touch a kernel's memory: the compiler must add no call-outs to them.
#ifdef __SANITIZE_THREAD__
#define SIM_CHECKS_ACCESSES 1
#define SIM_UNCHECKED inline __attribute__((no_sanitize("thread"), noinline))
#else
#define SIM_UNCHECKED inline
#endif
