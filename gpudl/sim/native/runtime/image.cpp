// image.cpp: the variables of a kernel's shared object.
#include "image.hpp"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

namespace sim {

size_t shared_size(const SimModule* module) {
  int count = module->variable_count;
  return count ? module->variables[count - 1].high - module->variables[0].low : 0;
}

const SimVariable* shared_variable(const SimModule* module, uintptr_t address) {
  int low = 0, high = module->variable_count;  // the last variable that begins at or before the address
  while (low < high) {
    int middle = (low + high) / 2;
    if (module->variables[middle].low <= address)
      low = middle + 1;
    else
      high = middle;
  }
  if (!low) return nullptr;
  const SimVariable* found = &module->variables[low - 1];
  return address < found->high + kNear ? found : nullptr;
}

struct Object {
  uintptr_t low, high;
};

static std::vector<Object> read_objects(const char* path) {
  std::vector<Object> objects;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (file < 0 || fstat(file, &status) || status.st_size < (off_t)sizeof(ElfW(Ehdr))) {
    if (file >= 0) close(file);
    return objects;
  }
  char* bytes = (char*)mmap(nullptr, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (bytes == MAP_FAILED) return objects;
  const ElfW(Ehdr)* header = (const ElfW(Ehdr)*)bytes;
  const ElfW(Shdr)* sections = (const ElfW(Shdr)*)(bytes + header->e_shoff);
  for (int i = 0; i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_SYMTAB) continue;
    const ElfW(Sym)* symbols = (const ElfW(Sym)*)(bytes + sections[i].sh_offset);
    for (size_t k = 0; k < sections[i].sh_size / sizeof(ElfW(Sym)); ++k)
      if ((symbols[k].st_info & 15) == STT_OBJECT && symbols[k].st_size)
        objects.push_back({symbols[k].st_value, symbols[k].st_value + symbols[k].st_size});
  }
  munmap(bytes, (size_t)status.st_size);
  return objects;
}

bool in_other_object(const SimModule* module, uintptr_t address) {
  static std::map<std::string, std::vector<Object>> known;
  auto found = known.find(module->path);
  if (found == known.end()) found = known.emplace(module->path, read_objects(module->path)).first;
  for (const Object& object : found->second)
    if (address - module->low >= object.low && address - module->low < object.high) return true;
  return false;
}

}  // namespace sim
