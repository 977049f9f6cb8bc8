# Completion of mdconvert's options and of directories, for bash.
# Made from the table of options by "make generate".

_mdconvert() {
    local IFS=$'\n' cur=${COMP_WORDS[COMP_CWORD]}
    if [[ $cur == -* ]]; then
        IFS=' '
        COMPREPLY=($(compgen -W '-a --alt -n --native -h --help -v --version' -- "$cur"))
    else
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -d -- "$cur"))
    fi
}

complete -F _mdconvert mdconvert
