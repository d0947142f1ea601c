# What Doxygen sees of a header: plain comments become documentation, and nothing in them is a command or a tag.
# The comment at the top is about the file.
/^#pragma once/{
  N
  /\n\/\//!b
  s/[\\@<>%&]/\\&/g
  s#\n// ?#\n/// \\file\n/// #
  b
}
/^ *\/\/ ?----/b
/^ *\/\//{
  s/[\\@<>#%&]/\\&/g
  s#^( *)// ?#\1/// #
  b
}
# A comment behind a declaration belongs to it.
/; +\/\/ /{
  h
  s#^.*; +// ##
  s/[\\@<>#%&]/\\&/g
  x
  s#; +// .*$#;#
  G
  s#\n# ///< #
}
