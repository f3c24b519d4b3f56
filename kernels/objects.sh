# To be sourced: finds the object files that nvcc made of the kernels, and NVIDIA's tools that read them.

# objects_of BUILD: prints the directory of the kernels' object files in a build with CUDA, as made by native/build.sh.
objects_of() {
  local objects=$1/CMakeFiles/dpo4j.dir/kernels
  ls "$objects"/*.cu.o >/dev/null 2>&1 || {
    echo "$(basename "$0"): $1 has no kernels made by nvcc: build with native/build.sh where there is one (native/cuda-toolkit.sh .cuda installs it)" >&2
    return 1
  }
  echo "$objects"
}

# cuda_tool BUILD NAME: prints the path of a program in the directory of the build's nvcc, or on PATH.
cuda_tool() {
  local nvcc
  nvcc=$(sed -n 's/^CMAKE_CUDA_COMPILER:[^=]*=//p' "$1/CMakeCache.txt")
  if [ -x "$(dirname "$nvcc")/$2" ]; then
    echo "$(dirname "$nvcc")/$2"
  else
    command -v "$2" || { echo "$(basename "$0"): $2 is neither beside $nvcc nor on PATH: native/cuda-toolkit.sh installs both" >&2; return 1; }
  fi
}
