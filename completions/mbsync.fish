# Completion of mbsync's options and of the names in its configuration, for
# fish. Install it as mbsync.fish in a directory of $fish_complete_path.
#
# What can be completed is known to mbsync itself: see the option --complete.

function __mbsync_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct | string unescape)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -l args (string replace -r '^(--config=)?~/' "\$1$HOME/" -- $words[2..-1] "$word")
    for line in ($program --complete=word $args 2>/dev/null)
        set -l parts (string split -m 1 \t -- $line)
        if test "$parts[1]" = :files
            set -l prefix "$parts[2]"
            set -l file (string sub -s (math 1 + (string length -- "$prefix")) -- "$word")
            for name in (__fish_complete_path "$file")
                echo -- $prefix$name
            end
            return
        end
        echo -- $line
    end
end

complete -c mbsync -f -a '(__mbsync_complete)'
