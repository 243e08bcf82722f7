// cuda_on_host.hpp: CUDA C++ for the host's compiler. A kernel's translation unit is
//
//   #include "cuda_on_host.hpp"
//   <CUDA's text, where "extern __shared__ T name[];" has become "T* name = (T*)sim_dynamic_shared();">
//   SIM_IMAGE
//   SIM_ENTRY(0, kernel)
//   SIM_ENTRY(1, adam<float>)
//
// compiled with -I of this folder (SIM_CUPY may be defined for CuPy's generated code; nothing depends on it) and
//
//   always       -std=c++17 -O1 -g1 -gdwarf-4 -fPIC -w -fvisibility=hidden -fno-gnu-unique -fno-strict-aliasing
//                -fno-math-errno -ffp-contract=off -fno-threadsafe-statics -fstack-clash-protection -fdebug-prefix-map=FOLDER=.
//                -fsanitize=alignment,bounds-strict,integer-divide-by-zero,shift-exponent
//   strict       -fsanitize=signed-integer-overflow       (all modules but the relaxed ones)
//   check mode   -fsanitize=thread --param=tsan-instrument-func-entry-exit=0
//
// and linked without any of the sanitizers, in check mode with -Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset:
// the runtime, loaded with RTLD_GLOBAL, answers what the compiler calls.
//
// Why: float4 casts break strict aliasing; unique symbols would merge one template's shared variables across objects;
// a guard page is only hit if no frame can jump over it; addr2line misreads #line in DWARF 5 in some versions; with the
// map of FOLDER, where the compiler runs, errors name files as #line does.
#pragma once
#include "keywords.hpp"
// Keywords first, standard headers before any other macro of ours.
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atomics.hpp"
#include "bits.hpp"
#include "callouts.hpp"
#include "constants.hpp"
#include "entry.hpp"
#include "half.hpp"
#include "half_functions.hpp"
#include "math.hpp"
#include "sync.hpp"
#include "vectors.hpp"
