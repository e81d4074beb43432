# Build a package that needs the one just built
show moromi list-tagged demo
say "lua-devel is in demo, so it gets into the build tag's repository, and lua-lpeg, which requires it, can be built."
show packager chain-build --wait demo lua-5.4.4-1.demo : "$(source_of lua-lpeg)"
show moromi list-tagged demo
