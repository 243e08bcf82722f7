// image.hpp: which variable of a kernel's shared object an address belongs to.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "runtime.h"

namespace sim {

// So far past the end of a shared variable an access is still taken to be meant for it.
constexpr size_t kNear = 4096;

// From the first to the last byte of the module's static __shared__ variables.
size_t shared_size(const SimModule* module);
// The static __shared__ variable that holds the address, or ends right before it; or null.
const SimVariable* shared_variable(const SimModule* module, uintptr_t address);
// Whether another variable lies there, as the object's own table of symbols says.
bool in_other_object(const SimModule* module, uintptr_t address);

}  // namespace sim
