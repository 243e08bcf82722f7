// vector_types.h: a name that CUDA code includes; everything is in one header here.
#include "cuda_on_host.hpp"
