"""wherry completion."""

from __future__ import annotations

from wherry.cli.flags import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "SHELL",
    "Generate the autocompletion script for bash, zsh or fish",
    least=1,
    most=1,
    examples=[
        'eval "$(wherry completion bash)"             # in ~/.bashrc',
        'eval "$(wherry completion zsh)"              # in ~/.zshrc, behind compinit',
        "wherry completion fish > ~/.config/fish/completions/wherry.fish",
    ],
)

# The line is split at blanks, not where bash does (":" and "=" too): that much of a candidate as bash has in an earlier
# word is cut off again
_BASH = r"""# bash completion of wherry
_wherry() {
    local line=${COMP_LINE:0:COMP_POINT} words partial answer directive kept candidate
    read -ra words <<< "$line"
    partial=
    [[ $line == *[[:space:]] ]] || { partial=${words[-1]}; unset 'words[-1]'; }
    mapfile -t answer < <(command wherry __complete "${words[@]:1}" "$partial" 2>/dev/null)
    (( ${#answer[@]} )) || return 0
    directive=${answer[-1]#:}
    unset 'answer[-1]'
    kept=
    [[ $partial == *[:=]* ]] && kept=${partial%"${partial##*[:=]}"}
    COMPREPLY=()
    for candidate in "${answer[@]}"; do
        candidate=${candidate%%$'\t'*}
        COMPREPLY+=("${candidate#"$kept"}")
    done
    if (( !(directive & 4) )); then
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "${partial#"$kept"}")
    fi
    (( directive & 2 )) && compopt -o nospace 2>/dev/null
    return 0
}
complete -F _wherry wherry
"""

_ZSH = r"""#compdef wherry
_wherry() {
    local -a answer plain described
    local directive line
    answer=("${(@f)$(command wherry __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    directive=${answer[-1]#:}
    for line in "${(@)answer[1,-2]}"; do
        plain+=("${line%%$'\t'*}")
        described+=("${line/$'\t'/  -- }")
    done
    if (( ${#plain} )); then
        if (( directive & 2 )); then
            compadd -S '' -l -d described -- "${(@)plain}"
        else
            compadd -l -d described -- "${(@)plain}"
        fi
    fi
    (( directive & 4 )) || _files
}
compdef _wherry wherry
"""

_FISH = r"""# fish completion of wherry
function __wherry_complete
    set -l words (commandline -opc)
    set -l partial (commandline -ct)
    set -l answer (command wherry __complete $words[2..] "$partial" 2>/dev/null)
    test (count $answer) -gt 0; or return
    set -l directive (string sub --start 2 -- $answer[-1])
    set -e answer[-1]
    printf '%s\n' $answer
    switch $directive
        case 0 2
            __fish_complete_path "$partial"
    end
end
complete --command wherry --no-files --arguments '(__wherry_complete)'
"""

SCRIPTS = {"bash": _BASH, "fish": _FISH, "zsh": _ZSH}


def run(engine: Engine, args: Args, out: Output) -> int:
    """Prints the script. Raises: InputError for another shell."""
    shell = args.rest[0]
    if shell not in SCRIPTS:
        from wherry.errors import InputError

        raise InputError(f"there is no completion for {shell}", hint=f"one of {', '.join(sorted(SCRIPTS))}")
    out.write(SCRIPTS[shell])
    return 0
