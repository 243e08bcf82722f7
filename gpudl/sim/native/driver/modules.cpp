// modules.cpp: compiled objects under the names of CUDA's modules: a token in place of a cubin, kernels by their names.
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <cstdlib>
#include <cstring>

#include "state.h"

namespace sim_driver {
namespace {

struct LoadedModule {
  std::shared_ptr<Module> module;
  std::map<std::string, std::unique_ptr<Function>> functions;
};

const size_t kLongestSignature = 16384;  // as much room as the Python side gives

std::map<std::string, std::shared_ptr<Module>>& registered() {
  static auto* modules = new std::map<std::string, std::shared_ptr<Module>>;
  return *modules;
}

std::set<LoadedModule*>& live_modules() {
  static auto* modules = new std::set<LoadedModule*>;
  return *modules;
}

std::set<Function*>& live_functions() {
  static auto* functions = new std::set<Function*>;
  return *functions;
}

// "Pf4" and "pf4" are pointers, all else ends with its size: "i4", "V40".
std::vector<Parameter> read_signature(const char* text) {
  std::vector<Parameter> parameters;
  for (const char* code = text; *code;) {
    const char* end = strchr(code, ',');
    if (!end) end = code + strlen(code);
    if (end != code) {
      bool pointer = *code == 'P' || *code == 'p';
      const char* digits = code;
      while (digits < end && (*digits < '0' || *digits > '9')) ++digits;
      parameters.push_back({pointer, pointer ? sizeof(void*) : (size_t)strtoul(digits, nullptr, 10)});
    }
    code = *end ? end + 1 : end;
  }
  return parameters;
}

// A module of one kernel uses all of its object's shared variables; whose they are in a larger one nobody can say.
int static_shared_bytes(const Module& module) {
  uintptr_t bytes = 0;
  if (module.names.size() == 1)
    for (const SimVariable& variable : module.variables) bytes += variable.high - variable.low;
  return (int)bytes;
}

std::unique_ptr<Function> load_function(const std::shared_ptr<Module>& module, size_t index) {
  std::string number = std::to_string(index);
  void* entry = dlsym(module->handle, ("sim_entry_" + number).c_str());
  if (!entry) return nullptr;
  auto function = std::make_unique<Function>();
  function->module = module;
  function->name = module->names[index];
  function->entry = (void (*)(void**))entry;
  function->static_bytes = static_shared_bytes(*module);
  function->dynamic_limit = kSharedPerBlock - function->static_bytes;
  auto write_signature = (void (*)(char*))dlsym(module->handle, ("sim_signature_" + number).c_str());
  function->known_parameters = write_signature != nullptr;
  if (write_signature) {
    std::vector<char> text(kLongestSignature);
    write_signature(text.data());
    function->parameters = read_signature(text.data());
  }
  return function;
}

// The name of a kernel, or, for a name expression, its number.
size_t find_kernel(const Module& module, const std::string& name) {
  for (size_t index = 0; index < module.names.size(); ++index)
    if (module.names[index] == name) return index;
  char* end;
  unsigned long number = strtoul(name.c_str(), &end, 10);
  return !name.empty() && !*end && number < module.names.size() ? number : module.names.size();
}

int no_module(const char* call) { return fail(kInvalidHandle, "%s: no such module", call); }

}  // namespace

Function* find_function(void* handle) {
  Guard guard(lock());
  return live_functions().count((Function*)handle) ? (Function*)handle : nullptr;
}

bool in_module(const void* address) {
  Guard guard(lock());
  for (const auto& [token, module] : registered())
    if ((uintptr_t)address >= module->image.low && (uintptr_t)address < module->image.high) return true;
  return false;
}

}  // namespace sim_driver

using namespace sim_driver;

SIM_EXPORT int sim_register_module(const char* token, void* handle, const SimModule* module, int kernel_count,
                                   const char** kernel_names) {
  if (!token || !handle || !module || kernel_count < 0) return fail(kInvalidValue, "sim_register_module");
  auto copy = std::make_shared<Module>();
  copy->handle = handle;
  copy->path = module->path ? module->path : "";
  copy->names.assign(kernel_names, kernel_names + kernel_count);
  for (int index = 0; index < module->variable_count; ++index)
    copy->variable_names.push_back(module->variables[index].name);
  for (int index = 0; index < module->variable_count; ++index) {
    copy->variables.push_back(module->variables[index]);
    copy->variables.back().name = copy->variable_names[index].c_str();
  }
  copy->image = *module;
  copy->image.path = copy->path.c_str();
  copy->image.variables = copy->variables.data();
  Guard guard(lock());
  registered()[token] = copy;
  return kSuccess;
}

SIM_EXPORT int cuModuleLoadData(void** out, const void* image) {
  if (!out || !image) return fail(kInvalidValue);
  Guard guard(lock());
  auto found = registered().find((const char*)image);
  if (found == registered().end())
    return fail(kInvalidImage, "this is a GPU's machine code or unknown; the sim runs what it compiled from CUDA text");
  LoadedModule* loaded = new LoadedModule();
  loaded->module = found->second;
  live_modules().insert(loaded);
  *out = loaded;
  return kSuccess;
}

SIM_EXPORT int cuModuleLoadDataEx(void** out, const void* image, unsigned, void*, void*) {
  return cuModuleLoadData(out, image);
}

SIM_EXPORT int cuModuleLoad(void**, const char* path) {
  return fail(kNotSupported, "cuModuleLoad of '%s': the sim compiles CUDA text and loads no cubin, ptx or fatbin",
      path);
}

SIM_EXPORT int cuModuleUnload(void* handle) {
  Guard guard(lock());
  LoadedModule* loaded = (LoadedModule*)handle;
  if (!live_modules().erase(loaded)) return no_module("cuModuleUnload");
  for (const auto& [name, function] : loaded->functions) live_functions().erase(function.get());
  delete loaded;
  return kSuccess;
}

SIM_EXPORT int cuModuleGetFunction(void** out, void* handle, const char* name) {
  Guard guard(lock());
  LoadedModule* loaded = (LoadedModule*)handle;
  if (!out || !name || !live_modules().count(loaded)) return no_module("cuModuleGetFunction");
  std::unique_ptr<Function>& function = loaded->functions[name];
  if (!function) {
    size_t index = find_kernel(*loaded->module, name);
    if (index < loaded->module->names.size()) function = load_function(loaded->module, index);
    if (!function) {
      loaded->functions.erase(name);
      return fail(kNotFound, "no kernel '%s' in %s", name, loaded->module->path.c_str());
    }
    live_functions().insert(function.get());
  }
  *out = function.get();
  return kSuccess;
}

// A __device__ or __constant__ variable: it lies in the object's image, and counts as memory of the device from now on.
SIM_EXPORT int cuModuleGetGlobal_v2(void** out, size_t* bytes, void* handle, const char* name) {
  Guard guard(lock());
  LoadedModule* loaded = (LoadedModule*)handle;
  if (!name || !live_modules().count(loaded)) return no_module("cuModuleGetGlobal");
  void* address = dlsym(loaded->module->handle, name);
  Dl_info info;
  ElfW(Sym)* symbol = nullptr;
  if (!address || !dladdr1(address, &info, (void**)&symbol, RTLD_DL_SYMENT) || !symbol)
    return fail(kNotFound, "no variable '%s' that the host can see in %s", name, loaded->module->path.c_str());
  add_allocation({(uintptr_t)address, symbol->st_size, Kind::module, current_device(), nullptr});
  if (out) *out = address;
  if (bytes) *bytes = symbol->st_size;
  return kSuccess;
}

SIM_EXPORT int cuModuleGetGlobal(void** out, size_t* bytes, void* handle, const char* name) {
  return cuModuleGetGlobal_v2(out, bytes, handle, name);
}
