# Completion of mbsync's options and of the names in its configuration, for
# bash 3.2 and later. Source this file, or install it as
# /usr/share/bash-completion/completions/mbsync.
#
# What can be completed is known to mbsync itself: see the option --complete.

_mbsync() {
    # Bash takes words apart at "=" and ":" too, for which mbsync does not care:
    # put those together again that touch each other on the line.
    local line=${COMP_LINE:0:COMP_POINT} before word i n=0
    local words=()
    for ((i = 0; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        before=${line%%"$word"*}
        line=${line#*"$word"}
        if [[ -z $before && n -gt 0 ]]; then
            words[n - 1]+=$word
        else
            words[n++]=$word
        fi
    done
    word=${line#"${line%%[![:space:]]*}"}
    if [[ $word == "$line" && n -gt 1 ]]; then
        words[n - 1]+=$word
    else
        words[n++]=$word
    fi

    # As the program would get them.
    for ((i = 1; i < n; i++)); do
        word=${words[i]}
        case $word in
        "~/"*) word=$HOME/${word#"~/"} ;;
        "--config=~/"*) word=--config=$HOME/${word#"--config=~/"} ;;
        esac
        words[i]=${word//[\'\"\\]/}
    done
    local cur=${words[n - 1]} raw=${COMP_WORDS[COMP_CWORD]}

    # What stands before the last place where bash takes words apart is not
    # repeated in an answer.
    local head=
    case $cur in
    *[=:]*)
        head=${cur%"${cur##*[=:]}"}
        [[ $COMP_WORDBREAKS == *"${head:${#head}-1}"* ]] || head=
        ;;
    esac

    local IFS=$'\n' reply
    COMPREPLY=()
    for reply in $("$1" --complete=word "${words[@]:1}" 2>/dev/null); do
        word=${reply%%$'\t'*}
        if [[ $word == :files ]]; then
            compopt -o filenames 2>/dev/null
            local prefix=
            [[ $reply == *$'\t'* ]] && prefix=${reply#*$'\t'}
            COMPREPLY=($(compgen -f -P "${prefix#"$head"}" -- "${cur#"$prefix"}"))
            return
        fi
        word=${word#"$head"}
        # Within quotes nothing is to be quoted again.
        [[ $raw == [\'\"]* ]] || printf -v word %q "$word"
        COMPREPLY+=("$word")
    done
    compopt -o nosort 2>/dev/null
}

complete -F _mbsync mbsync
