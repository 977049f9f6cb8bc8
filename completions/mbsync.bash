# Completion of mbsync's options and of the names in its configuration, for
# bash 3.2 and later. Source this file, or install it as
# /usr/share/bash-completion/completions/mbsync.
#
# What can be completed is known to mbsync itself: see the option --complete.

# _mbsync_quote sets REPLY to a word as it is to stand on the line behind what was typed
# of it, which may have begun a quotation. It fails if that is not possible.
_mbsync_quote() {
    local special= i c
    case $1 in
    \"*) special='\"$`' ;;
    \'*) special=\' ;;
    *)
        printf -v REPLY %q "$2"
        return
        ;;
    esac
    [[ $2 == *[[:cntrl:]]* ]] && return 1
    REPLY=
    for ((i = 0; i < ${#2}; i++)); do
        c=${2:i:1}
        if [[ $special != *"$c"* ]]; then
            REPLY+=$c
        elif [[ $c == \' ]]; then
            REPLY+="'\\''"
        else
            REPLY+=\\$c
        fi
    done
}

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
        # Within quotes it does not take them apart.
        [[ $raw == [\'\"]*[=:]* ]] && head=
        ;;
    esac

    # Line by line: names may hold what bash would expand.
    local IFS=$'\n' reply
    COMPREPLY=()
    while read -r reply; do
        word=${reply%%$'\t'*}
        if [[ $word == :files ]]; then
            compopt -o filenames 2>/dev/null
            local prefix=
            [[ $reply == *$'\t'* ]] && prefix=${reply#*$'\t'}
            COMPREPLY=($(compgen -f -P "${prefix#"$head"}" -- "${cur#"$prefix"}"))
            return
        fi
        word=${word#"$head"}
        _mbsync_quote "$raw" "$word" && COMPREPLY+=("$REPLY")
    done < <("$1" --complete=word "${words[@]:1}" 2>/dev/null)
    compopt -o nosort 2>/dev/null
}

complete -F _mbsync mbsync
