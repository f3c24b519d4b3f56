/** The native libraries of {@code org.dpo4j.kernels} for Linux on x86-64, and those of JavaCPP and its CUDA bindings. */
@SuppressWarnings("module") // the platform's name ends in digits, here as in the modules of JavaCPP
open module org.dpo4j.kernels.linux.x86_64 {
    requires org.bytedeco.cuda.linux.x86_64;
    requires org.bytedeco.javacpp.linux.x86_64;
    requires org.dpo4j.kernels;

    provides org.dpo4j.kernels.internal.NativeFiles with
            org.dpo4j.kernels.linux.x86_64.LinuxFiles;
}
