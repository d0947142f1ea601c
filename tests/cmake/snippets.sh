#!/usr/bin/env bash
# Every ```cpp block of README.md and docs/ that holds a main compiles against the installed package, links and runs; and
# where the next block is ```output, that is what it prints.
source "$(dirname "$0")/setup.sh"
dir="$work/snippets"
rm -rf "$dir"
mkdir -p "$dir"
cp "$SOURCE_DIR/tests/cmake/consumer/CMakeLists.txt" "$dir"
cd "$SOURCE_DIR"
for page in README.md docs/*.md; do
  [ -f "$page" ] || continue
  name=$(basename "$page" .md)
  awk -v prefix="$dir/$name" -v page="$page" '
    function finish() {
      program = ""
      if (kind == "output") printf "%s", text > (output ".output")
      else if (text ~ /int main *\(/) {
        program = prefix "_" first
        printf "#line %d \"%s\"\n%s", first, page, text > (program ".cpp")
      }
      kind = ""
    }
    kind != "" && /^ *```/ { finish(); next }
    kind != "" { text = text $0 "\n"; next }
    /^ *```cpp/ { kind = "cpp" }
    /^ *```output/ {
      kind = "output"
      output = program
      if (program == "") { print page ":" NR ": no program before this output"; exit 1 }
    }
    kind != "" { first = NR + 1; text = "" }' "$page"
done
shopt -s nullglob
sources=("$dir"/*.cpp)
if [ "${#sources[@]}" -eq 0 ]; then
  echo "no program in README.md or docs/"
  exit 0
fi
build_consumer "$dir" -DCMAKE_PREFIX_PATH="$prefix"
cd "$dir"
for source in "${sources[@]}"; do
  name=$(basename "$source" .cpp)
  echo "== $name"
  timeout 300 "./build/$name" </dev/null | tee "$name.printed"
  [ ! -f "$name.output" ] || diff "$name.output" "$name.printed"
done
