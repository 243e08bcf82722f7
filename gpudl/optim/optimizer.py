"""Optimizer: parameter groups with their settings, and a state for each parameter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from gpudl.autograd.grad_mode import enable_grad, no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, quiet
from gpudl.backend.debug import debug
from gpudl.backend.device import guarded, is_on_host
from gpudl.nn.parameter import clear_grads
from gpudl.nn.uninitialized import is_lazy
from gpudl.optim.flat import Layout
from gpudl.optim.hooks import Hooks
from gpudl.optim.pieces import pieces
from gpudl.optim.saving import packed, unpacked
from gpudl.optim.settings import Group
from gpudl.optim.stretch import Buffer, State, Stretch

__all__ = ["Optimizer"]


class Optimizer(Hooks):
    """Base of optimizers. A subclass gives `check`, `buffers` and `update`:

        class Momentum(Optimizer):
            def __init__(self, params, lr=0.1, momentum=0.9, maximize=False):
                super().__init__(params, {"lr": lr, "momentum": momentum, "maximize": maximize})

            def check(self, group):
                require_nonnegative("Momentum", group, "lr", "momentum")

            def buffers(self, group, shape):
                return {"velocity": 0.0}

            def update(self, p, dp, state, step, group):
                m = state["velocity"]
                m *= group["momentum"]
                m += dp
                p -= float(group["lr"]) * m

    The base does the rest: it finds which parameters have gradients, counts steps, makes the state, keeps it with the
    parameter's dtype and device, saves and loads it, negates gradients where a setting `maximize` is true, runs hooks
    and closures, and raises the versions that tell older graphs of the change.

    Attributes:
        param_groups: dicts of "params", a list of Tensors, and the settings that hold for them.
        state: parameter -> dict of what the optimizer remembers of it, Tensors by PyTorch's names.
        defaults: settings that a group which does not give them gets.
        elementwise: True where each element is updated from its own gradient and state alone, so that `update` may be
            given a flat run of several parameters at once. False: one parameter at a time, in its shape.
        joins: True where the optimizer is not elementwise, but has `update_joined` for parameters on a device.
        counts: True where the state has PyTorch's `step`, a 0-d float32 tensor on the host.
        eager: True where the state is there from construction on, as Adagrad's; else it is made at the first update.
        needs_closure: True where step() must be given a closure, as L-BFGS must.
    """

    elementwise: ClassVar[bool] = True
    joins: ClassVar[bool] = False
    counts: ClassVar[bool] = True
    eager: ClassVar[bool] = False
    needs_closure: ClassVar[bool] = False
    _waits = False  # whether a lazy module's parameter may have no shape yet

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        super().__init__()
        self.defaults = defaults
        self.state: defaultdict[Tensor, State] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._layouts: list[Layout] = []
        if isinstance(params, Tensor):
            raise TypeError("params must be an iterable of Tensors or dicts, such as model.parameters(), not a Tensor")
        given = list(params)
        if not given:
            raise ValueError("the optimizer got no parameters; was the model built before model.parameters()?")
        for group in given if isinstance(given[0], Mapping) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with settings of their own; what is not given is as in the constructor.

        Args:
            param_group: "params", Tensors or (name, Tensor) pairs, and settings. Names are kept as "param_names".
        Raises: ValueError for a parameter that stands in a group already, is no leaf, where
            some parameters have names and others have not, or for a bad setting; TypeError for what is no Tensor, and
            for a set, whose order changes from run to run.
        """
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise TypeError(f"a parameter group is a dict with 'params', got {type(param_group).__name__}")
        given = param_group["params"]
        if isinstance(given, (set, frozenset)):
            raise TypeError("parameters must come in an order, as in a list; a set has none")
        given = [given] if isinstance(given, Tensor) else list(given)
        params = [entry[1] if isinstance(entry, tuple) else entry for entry in given]
        names = [entry[0] for entry in given if isinstance(entry, tuple)]
        group = {**param_group, "params": params}
        if names:
            group["param_names"] = names
        if len(group.get("param_names", params)) != len(params) or any(
            ("param_names" in group) != ("param_names" in other) for other in self.param_groups
        ):
            raise ValueError("all parameters of an optimizer must have names, or none")
        self._refuse_unfit(params)
        for name, default in self.defaults.items():
            group.setdefault(name, default)
        self.check(group)
        self.param_groups.append(group)
        self._waits = self._waits or any(map(is_lazy, params))
        (*_, layout) = self._current_layouts()
        if self.eager:
            for parameter in params:
                self.state[parameter]  # in this order
            for stretch in layout.stretches:
                for number, member in enumerate(stretch.members):
                    buffers = self.buffers(group, member.parameter.array.shape)
                    stretch.prepare(number, self.state[member.parameter], buffers, self.counts)

    def _refuse_unfit(self, params: list[Any]) -> None:
        known = {id(parameter) for group in self.param_groups for parameter in group["params"]}
        for parameter in params:
            if not isinstance(parameter, Tensor):
                raise TypeError(f"an optimizer takes Tensors, got {type(parameter).__name__}")
            if not parameter.is_leaf:
                raise ValueError("an optimizer takes leaves; this tensor is the result of an operation")
            if id(parameter) in known:
                raise ValueError("a parameter stands in more than one place of the optimizer's groups")
            known.add(id(parameter))

    def check(self, group: Group) -> None:
        """Raise ValueError for a setting that makes no sense; given by the subclass."""

    def buffers(self, group: Group, shape: tuple[int, ...]) -> Mapping[str, Buffer]:
        """The state of a parameter beside `step`, in the order of PyTorch's state_dict; given by the subclass.

        What is not there yet, of the parameters that are updated, is made before `update`. So settings may add buffers
        later.

        Args:
            group: the settings, which may decide what is needed.
            shape: the parameter's.
        Returns: name -> what it is at first. A number: an array of the parameter's shape, filled with it. Scalar: one
            number. Block: an array of another shape.
        """
        return {}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        """Change p and the state in place; given by the subclass.

        All arrays are bare ones of one device. If the optimizer is elementwise they are one parameter's, in its shape
        or flat, or those of several parameters with equal `step` and Scalars, end to end in a flat run; else one
        parameter's, in their shapes.

        Args:
            p: the parameter, to be changed. float16 and bfloat16 come as they are.
            dp: its gradient, not to be changed; negated already if the group says `maximize`.
            state: name -> array, for each name that `buffers` gives now, and no other. Change them in place
                (`state[name][...] = x`); Scalars are 0-d float32 arrays on the host.
            step: 1 at the first update of the parameter. Without `counts`, 1 whenever one of the buffers is new, and
                more than 1 otherwise.
            group: the settings; lr may be a Tensor, so take float(group["lr"]).
        """
        raise NotImplementedError(f"{type(self).__name__} has no update method")

    def update_joined(
        self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group, sizes: tuple[int, ...]
    ) -> None:
        """As `update`, for parameters of these sizes that lie end to end, each of which counts by itself."""
        raise NotImplementedError(f"{type(self).__name__} has no update_joined method")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss again and calls backward; its result is returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        debug.report()  # before parameters are changed by what came of an index out of range
        with no_grad(), quiet():
            for layout, group in zip(self._current_layouts(), self.param_groups):
                for parameter in group["params"]:
                    if parameter._grad is not None:
                        self.state[parameter]  # made in PyTorch's order
                for stretch in layout.stretches:
                    with guarded(stretch.members[0].parameter.array):
                        self._step_stretch(stretch, group)
        return loss

    def _current_layouts(self) -> list[Layout]:
        """Where everything lies now, for each group; without what a lazy module has not initialized yet."""
        layouts = self._layouts
        self._waits = self._waits and any(is_lazy(p) for group in self.param_groups for p in group["params"])
        for number, group in enumerate(self.param_groups):
            params = [p for p in group["params"] if not is_lazy(p)] if self._waits else group["params"]
            if number == len(layouts):
                layouts.append(Layout(params))
            elif not layouts[number].is_right(params):
                layouts[number] = Layout(params)
        return layouts

    def _step_stretch(self, stretch: Stretch, group: Group) -> None:
        """Update what has a gradient: neighbors in one go while their gradients are neighbors too."""
        buffers: Mapping[str, Buffer] | None = None
        first: int | None = None
        may_join = self.elementwise or (self.joins and not is_on_host(stretch.members[0].parameter.array))
        for number, member in enumerate(stretch.members):
            parameter, slot = member.parameter, member.slot
            gradient = parameter._grad
            joins = may_join and gradient is not None and slot is not None and gradient.array is slot.gradient
            if first is not None and not joins:
                self._update_run(stretch, first, number, group)
                first = None
            if gradient is not None:
                if buffers is None or not self.elementwise:
                    buffers = self.buffers(group, parameter.array.shape)
                stretch.prepare(number, self.state[parameter], buffers, self.counts)
                if not joins:
                    given = parameter.array, gradient.array, stretch.buffers(number)
                    self._update(stretch, number, number + 1, *given, group)
                elif first is None:
                    first = number
        if first is not None:
            self._update_run(stretch, first, len(stretch.members), group)

    def _update_run(self, stretch: Stretch, first: int, last: int, group: Group) -> None:
        for begin, end in stretch.alike(first, last):
            self._update(stretch, begin, end, *stretch.cut(begin, end), group)

    def _update(
        self, stretch: Stretch, first: int, last: int, p: Array, dp: Array, state: dict[str, Array], group: Group
    ) -> None:
        """Call `update` for some members of a stretch, piece by piece where that may be, and count."""
        step = int(stretch.steps[first]) + 1
        negate = group.get("maximize")
        # At least 1-d: NumPy makes scalars of what it computes from 0-d arrays.
        arrays = [x if x.ndim else x.reshape(1) for x in (p, dp, *state.values())]
        for q, g, *kept in pieces(*arrays) if self.elementwise else [arrays]:
            # Each piece starts from the Scalars as they were before the step.
            scalars = stretch.scalars(first)
            given = q, -g if negate else g, {**dict(zip(state, kept)), **scalars}, step, group
            if self.elementwise or last - first == 1:
                self.update(*given)
            else:
                self.update_joined(*given, stretch.sizes(first, last))
        stretch.count(first, last, step, scalars)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients, or fill them with 0."""
        clear_grads((parameter for group in self.param_groups for parameter in group["params"]), set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """The state and settings, parameters replaced by their number, counted through all groups.

        The tensors are the optimizer's own: copy.deepcopy what later steps shall not change.
        """
        self._run_hooks("before saving")
        return self._run_hooks("after saving", packed(self.param_groups, self.state))  # type: ignore[no-any-return]

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the state and settings of an optimizer with groups of the same sizes.

        Tensors of the state (or what NumPy reads as an array, such as PyTorch's) are copied, and cast and moved to
        their parameter. Nothing is changed unless all of it fits.

        Raises: ValueError if the groups differ, or a tensor has not the shape of its parameter.
        """
        saved = self._run_hooks("before loading", dict(state_dict))
        state, settings = unpacked(self.param_groups, saved, self.buffers)
        self.state = defaultdict(dict, state)
        for group, new in zip(self.param_groups, settings):
            group.update(new)
        self._run_hooks("after loading")

    def __getstate__(self) -> dict[str, Any]:
        # Hooks stay with the original, as in PyTorch, and copies of the parameters lie elsewhere.
        return {**self.__dict__, "_hooks": {}, "_layouts": [], "_stepping": False}

    def __repr__(self) -> str:
        lines = [type(self).__name__ + " ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {value}" for key, value in sorted(group.items()) if key != "params"]
            lines.append("")
        return "\n".join([*lines[:-1], ")"])
