// Package config parses a configuration file into a validated model. Each value of the model
// has its file and line, for messages about it.
//
// The package prints nothing and connects to nothing. It uses the system only through an Env.
// It collects all errors of a file, and returns them together as an ErrorList. Deprecated
// spellings and probable mistakes are returned as Notices.
//
// The two sides of a channel are called far (usually the server) and near (usually the local
// copy). The package does not check whether the program supports what a configuration asks
// for. A caller that rejects a keyword gets its position with the method Pos of the object.
package config
