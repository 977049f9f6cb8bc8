# Completion of mdconvert's options and of directories, for fish.
# Made from the table of options by "make generate".

complete -c mdconvert -s a -l alt -d 'move the UIDs into a database'
complete -c mdconvert -s n -l native -d 'move the UIDs into the file names (default)'
complete -c mdconvert -s h -l help -d 'show this help'
complete -c mdconvert -s v -l version -d 'show the version'
complete -c mdconvert -f -a '(__fish_complete_directories)'
