// graphs.cpp: graphs and their replay: the nodes run in the order in which they were recorded.
#include <cstdio>

#include "state.h"

namespace sim_driver {
namespace {

struct Executable {
  std::vector<NodePointer> nodes;
  HeldMemory held;
};

std::map<void*, std::shared_ptr<Graph>>& live_graphs() {
  static auto* graphs = new std::map<void*, std::shared_ptr<Graph>>;
  return *graphs;
}

std::map<void*, std::shared_ptr<Executable>>& live_executables() {
  static auto* executables = new std::map<void*, std::shared_ptr<Executable>>;
  return *executables;
}

template <class T>
std::shared_ptr<T> find_in(const std::map<void*, std::shared_ptr<T>>& all, void* handle) {
  auto found = all.find(handle);
  return found == all.end() ? nullptr : found->second;
}

int no_graph(const char* call) { return fail(kInvalidValue, "%s: no such graph", call); }

int instantiate(void** out, void* handle) {
  Guard guard(lock());
  std::shared_ptr<Graph> graph = find_in(live_graphs(), handle);
  if (!out || !graph) return no_graph("cudaGraphInstantiate");
  auto executable = std::make_shared<Executable>();
  executable->nodes = graph->nodes;
  executable->held = graph->held;
  live_executables()[executable.get()] = executable;
  *out = executable.get();
  return kSuccess;
}

std::shared_ptr<Executable> find_executable(void* handle) {
  Guard guard(lock());
  return find_in(live_executables(), handle);
}

// A list for a caller who first asks with no room how many there are.
int list(const std::vector<NodePointer>& nodes, void** room, size_t* count) {
  if (!count) return fail(kInvalidValue);
  for (size_t index = 0; room && index < *count; ++index)
    room[index] = index < nodes.size() ? nodes[index].get() : nullptr;
  *count = !room || *count > nodes.size() ? nodes.size() : *count;
  return kSuccess;
}

std::string quoted(const std::string& text) {
  std::string out;
  for (char letter : text) {
    if (letter == '"' || letter == '\\') out += '\\';
    out += letter == '\n' ? std::string("\\n") : std::string(1, letter);
  }
  return out;
}

}  // namespace

void* add_graph(std::shared_ptr<Graph> graph) {
  Guard guard(lock());
  live_graphs()[graph.get()] = graph;
  return graph.get();
}

void* graph_handle(const std::shared_ptr<Graph>& graph) { return graph.get(); }

int run_nodes(const std::vector<NodePointer>& nodes) {
  for (const NodePointer& node : nodes)
    if (int error = node->run()) return remember(error);
  return kSuccess;
}

}  // namespace sim_driver

using namespace sim_driver;

SIM_EXPORT int cudaGraphCreate(void** out, unsigned) {
  if (!out) return fail(kInvalidValue);
  *out = add_graph(std::make_shared<Graph>());
  return kSuccess;
}

SIM_EXPORT int cudaGraphDestroy(void* graph) {
  Guard guard(lock());
  return live_graphs().erase(graph) ? kSuccess : no_graph("cudaGraphDestroy");
}

// The older form has an error node and a log in place of flags, and two arguments more: nothing here needs them.
SIM_EXPORT int cudaGraphInstantiate(void** out, void* graph, unsigned long long) { return instantiate(out, graph); }
SIM_EXPORT int cudaGraphInstantiateWithFlags(void** out, void* graph, unsigned long long) {
  return instantiate(out, graph);
}
SIM_EXPORT int cudaGraphInstantiateWithParams(void** out, void* graph, InstantiateParameters* parameters) {
  int error = instantiate(out, graph);
  if (parameters) parameters->result = error ? 1 : 0;
  return error;
}

SIM_EXPORT int cudaGraphExecDestroy(void* handle) {
  Guard guard(lock());
  return live_executables().erase(handle) ? kSuccess : no_graph("cudaGraphExecDestroy");
}

SIM_EXPORT int cudaGraphUpload(void* handle, void* stream) {
  int error = kSuccess;
  if (!find_stream(stream, &error)) return error;
  return find_executable(handle) ? kSuccess : no_graph("cudaGraphUpload");
}

SIM_EXPORT int cudaGraphLaunch(void* handle, void* stream_handle) {
  int error = kSuccess;
  Stream* stream = find_stream(stream_handle, &error);
  if (!stream) return error;
  std::shared_ptr<Executable> executable = find_executable(handle);
  if (!executable) return no_graph("cudaGraphLaunch");
  return submit(stream, kGraphNode, "graph of " + std::to_string(executable->nodes.size()) + " nodes",
                [executable, counted = !capturing(stream)] {
                  if (counted) ++counters.graph_launches;
                  return run_nodes(executable->nodes);
                });
}

SIM_EXPORT int cudaGraphGetNodes(void* handle, void** room, size_t* count) {
  Guard guard(lock());
  std::shared_ptr<Graph> graph = find_in(live_graphs(), handle);
  return graph ? list(graph->nodes, room, count) : no_graph("cudaGraphGetNodes");
}

SIM_EXPORT int cudaGraphGetRootNodes(void* handle, void** room, size_t* count) {
  Guard guard(lock());
  std::shared_ptr<Graph> graph = find_in(live_graphs(), handle);
  if (!graph) return no_graph("cudaGraphGetRootNodes");
  std::vector<NodePointer> roots;
  for (const NodePointer& node : graph->nodes)
    if (node->after.empty()) roots.push_back(node);
  return list(roots, room, count);
}

SIM_EXPORT int cudaGraphNodeGetType(void* node, int* type) {
  if (!node || !type) return fail(kInvalidValue);
  *type = ((Node*)node)->type;
  return kSuccess;
}

SIM_EXPORT int cudaGraphDebugDotPrint(void* handle, const char* path, unsigned flags) {
  Guard guard(lock());
  std::shared_ptr<Graph> graph = find_in(live_graphs(), handle);
  if (!graph) return no_graph("cudaGraphDebugDotPrint");
  FILE* file = fopen(path, "w");
  if (!file) return fail(kOperatingSystem, "cudaGraphDebugDotPrint cannot write %s", path);
  std::map<Node*, size_t> number;
  fprintf(file, "digraph graph_1 {\n");
  for (const NodePointer& node : graph->nodes) {
    size_t index = number.size();
    number[node.get()] = index;
    // The first line of a label is the node's name; the rest is shown when details are asked for.
    std::string label = flags ? node->label : node->label.substr(0, node->label.find('\n'));
    fprintf(file, "  node_%zu [label=\"%zu%s%s\"];\n", index, index, flags ? ", " : "\\n",
            ((flags ? "type " + std::to_string(node->type) + "\\n" : "") + quoted(label)).c_str());
    for (const NodePointer& before : node->after)
      fprintf(file, "  node_%zu -> node_%zu;\n", number[before.get()], index);
  }
  fprintf(file, "}\n");
  fclose(file);
  return kSuccess;
}
