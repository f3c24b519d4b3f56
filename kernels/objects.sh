# Sourced: the kernels as nvcc has made them, and NVIDIA's tools that read them.

# objects_of BUILD: the directory of the kernels' objects in a build with CUDA, as native/build.sh makes it.
objects_of() {
  local objects=$1/CMakeFiles/dpo4j.dir/kernels
  ls "$objects"/*.cu.o >/dev/null 2>&1 || {
    echo "$(basename "$0"): $1 has no kernels made by nvcc: build with native/build.sh where there is one (native/cuda-toolkit.sh .cuda installs it)" >&2
    return 1
  }
  echo "$objects"
}

# cuda_tool BUILD NAME: a program beside the nvcc of the build, or on PATH.
cuda_tool() {
  local nvcc
  nvcc=$(sed -n 's/^CMAKE_CUDA_COMPILER:[^=]*=//p' "$1/CMakeCache.txt")
  if [ -x "$(dirname "$nvcc")/$2" ]; then
    echo "$(dirname "$nvcc")/$2"
  else
    command -v "$2" || { echo "$(basename "$0"): $2 is neither beside $nvcc nor on PATH: native/cuda-toolkit.sh installs both" >&2; return 1; }
  fi
}
