"""Completion scripts for bash, zsh and fish, made from the tree of commands and options.

What a value or an argument is, a file or a device, is told by its metavar.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gpudl.cli.options import DEVICES, SETS_OF_DEVICES

TOML, FILES, FOLDERS, NOTHING = "toml", "files", "folders", ""
_KINDS = {"CONFIG.toml": TOML, "DIR": FOLDERS, "RUN": FOLDERS, "SPEC": FILES, "INPUT": FILES, "FILE": FILES}


class Word(NamedTuple):
    """An option, or an argument by its place.

    Attributes:
        flags: how the option is written; none for an argument.
        help: the first part of its help.
        metavar: what its value is called; None for an option without one.
        kind: TOML, FILES, FOLDERS or NOTHING to complete the value with.
        choices: what else to complete it with.
        many: whether an argument takes all places from its own on.
    """

    flags: list[str]
    help: str
    metavar: str | None
    kind: str
    choices: list[str]
    many: bool


class Command(NamedTuple):
    """A command: its name, its line in the help, its options and its arguments."""

    name: str
    help: str
    options: list[Word]
    arguments: list[Word]


def script(
    shell: str,
    parsers: Mapping[str, argparse.ArgumentParser],
    summaries: Mapping[str, str],
    examples: Sequence[str],
) -> str:
    """The script for "bash", "zsh" or "fish".

    Args:
        parsers: of the commands, by their names.
        summaries: a line about each.
        examples: their names.
    """
    offered = {"DEVICE": DEVICES, "NAME": examples, "--devices": SETS_OF_DEVICES}
    commands = [_command(name, summaries[name], parser, offered) for name, parser in parsers.items()]
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](commands)


def _command(name: str, summary: str, parser: argparse.ArgumentParser, offered: Mapping[str, Sequence[str]]) -> Command:
    words = [_word(action, offered) for action in parser._actions]
    options = [word for word in words if word.flags]
    return Command(name, summary, options, [word for word in words if not word.flags])


def _word(action: argparse.Action, offered: Mapping[str, Sequence[str]]) -> Word:
    metavar = None if action.nargs == 0 else str(action.metavar or action.dest)
    names = [*action.option_strings, metavar or ""]
    choices = [
        str(choice) for choice in action.choices or next((offered[name] for name in names if name in offered), ())
    ]
    kind = _KINDS.get(metavar or "", NOTHING)
    return Word(
        list(action.option_strings), _first(action.help or ""), metavar, kind, choices, action.nargs in ("*", "+")
    )


def _first(text: str) -> str:
    """The text until its first stop, in one line."""
    return re.split(r"[.;:] |\.$|\n", text.strip())[0]


_BASH = """\
# bash completion for gpudl, printed by `gpudl completion bash`
_gpudl_what() {{ # command, then the option whose value is wanted, or the place of an argument
    case "$1 $2" in
{cases}
    esac
}}

_gpudl_options() {{
    case "$1" in
{options}
    esac
}}

_gpudl() {{
    local IFS=$' \\t\\n' cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}
    local command=${{COMP_WORDS[1]}} place=0 number word before what
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W '{commands} --help --version' -- "$cur"))
        return
    fi
    if [[ $cur == = ]]; then # --device=cpu comes as three words
        cur=
    elif [[ $prev == = ]]; then
        prev=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    what=
    [[ $prev == -* ]] && what=$(_gpudl_what "$command" "$prev")
    if [[ -z $what && $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$(_gpudl_options "$command")" -- "$cur"))
        return
    fi
    if [[ -z $what ]]; then
        for ((number = 2; number < COMP_CWORD; number++)); do
            word=${{COMP_WORDS[number]}} before=${{COMP_WORDS[number-1]}}
            if [[ $word != -* && $word != = && $before != = ]]; then
                [[ $before == -* && -n $(_gpudl_what "$command" "$before") ]] || ((place++))
            fi
        done
        what=$(_gpudl_what "$command" "$place")
    fi
    case "$what" in
        toml) _gpudl_paths -f -X '!*.toml'; _gpudl_paths -d ;;
        files) _gpudl_paths -f ;;
        folders) _gpudl_paths -d ;;
        words:*) COMPREPLY=($(compgen -W "${{what#words:}}" -- "$cur")) ;;
    esac
}}

_gpudl_paths() {{
    local IFS=$'\\n'
    compopt -o filenames 2> /dev/null
    COMPREPLY+=($(compgen "$@" -- "$cur"))
}}

complete -F _gpudl gpudl"""


def _bash(commands: list[Command]) -> str:
    cases, options = [], []
    for command in commands:
        for word in command.options:
            if word.metavar is not None:
                patterns = "|".join(f"'{command.name} {flag}'" for flag in word.flags)
                cases.append(f"        {patterns}) echo '{_bash_what(word)}' ;;")
        for place, word in enumerate(command.arguments):
            pattern = f"'{command.name} '[0-9]*" if word.many else f"'{command.name} {place}'"
            cases.append(f"        {pattern}) echo '{_bash_what(word)}' ;;")
        flags = " ".join(flag for word in command.options for flag in word.flags)
        options.append(f"        {command.name}) echo '{flags}' ;;")
    names = " ".join(command.name for command in commands)
    return _BASH.format(cases="\n".join(cases), options="\n".join(options), commands=names)


def _bash_what(word: Word) -> str:
    return f"words:{' '.join(word.choices)}" if word.choices else word.kind or "nothing"


def _zsh(commands: list[Command]) -> str:
    lines = ["#compdef gpudl", "# zsh completion for gpudl, printed by `gpudl completion zsh`", "", "_gpudl() {"]
    lines += ["    local context state state_descr line", "    typeset -A opt_args", "    local -a commands=("]
    lines += [f"        {_quoted(command.name + ':' + command.help)}" for command in commands]
    lines += ["    )", "    _arguments -C '(- *)--help[say more]' '(- *)--version[the version]' \\"]
    lines += ["        '1:command:->command' '*::argument:->arguments'", "    case $state in"]
    lines += ["        command) _describe command commands ;;", "        arguments) case $line[1] in"]
    for command in commands:
        specs = [_zsh_option(word, flag) for word in command.options for flag in word.flags]
        specs += [
            f"{'*' if word.many else place}:{_zsh_plain(word.metavar or '')}:{_zsh_what(word)}"
            for place, word in enumerate(command.arguments, 1)
        ]
        lines.append(f"            {command.name}) _arguments \\")
        lines += [f"                {_quoted(spec)} \\" for spec in specs[:-1]]
        lines.append(f"                {_quoted(specs[-1])} ;;")
    lines += ["        esac ;;", "    esac", "}", ""]
    lines += ['if [[ $funcstack[1] == _gpudl ]]; then _gpudl "$@"; else compdef _gpudl gpudl; fi']
    return "\n".join(lines)


def _zsh_option(word: Word, flag: str) -> str:
    value = "" if word.metavar is None else f":{_zsh_plain(word.metavar)}:{_zsh_what(word)}"
    again = "*" if flag == "--set" else ""
    return f"{again}{flag}[{_zsh_plain(word.help)}]{value}"


def _zsh_plain(text: str) -> str:
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


def _zsh_what(word: Word) -> str:
    if word.choices:
        return f"({' '.join(word.choices)})"
    return {TOML: '_files -g "*.toml"', FILES: "_files", FOLDERS: "_files -/", NOTHING: " "}[word.kind]


def _fish(commands: list[Command]) -> str:
    lines = ["# fish completion for gpudl, printed by `gpudl completion fish`", "complete -c gpudl -f"]
    lines.append("complete -c gpudl -n __fish_use_subcommand -l help -d 'say more'")
    lines.append("complete -c gpudl -n __fish_use_subcommand -l version -d 'the version'")
    for command in commands:
        lines.append(f"complete -c gpudl -n __fish_use_subcommand -a {command.name} -d {_quoted(command.help)}")
    for command in commands:
        start = f"complete -c gpudl -n '__fish_seen_subcommand_from {command.name}'"
        for word in command.options:
            flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in word.flags)
            value = "" if word.metavar is None else f" {_fish_what(word)}"
            lines.append(f"{start} {flags}{value} -d {_quoted(word.help)}")
        lines += [f"{start} {_fish_what(word)}" for word in command.arguments if word.choices or word.kind]
    return "\n".join(lines)


def _fish_what(word: Word) -> str:
    if word.choices:
        return f"-x -a {_quoted(' '.join(word.choices))}"
    folders = "-x -a '(__fish_complete_directories)'"
    return {TOML: "-x -a '(__fish_complete_suffix .toml)'", FILES: "-r -F", FOLDERS: folders, NOTHING: "-x"}[word.kind]


def _quoted(text: str) -> str:
    r"""In single quotes, whose own kind is written '\'' in all three shells."""
    return "'" + text.replace("'", "'\\''") + "'"
