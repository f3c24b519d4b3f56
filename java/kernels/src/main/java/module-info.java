/**
 * Token log-prob, preference losses and decoder operations on {@code cuda} and {@code cpu}, for programs that have a
 * model of their own. The native libraries are in a second jar, of classifier {@code linux-x86_64}; on the module path
 * it is found without being required.
 */
@SuppressWarnings("module") // the module of the native libraries is compiled after this one
module org.dpo4j.kernels {
    requires org.bytedeco.cuda;
    requires org.bytedeco.javacpp;
    requires static transitive org.jspecify;

    exports org.dpo4j.kernels;
    exports org.dpo4j.kernels.decoder;
    exports org.dpo4j.kernels.head;
    exports org.dpo4j.kernels.internal to
            org.dpo4j.kernels.linux.x86_64;

    uses org.dpo4j.kernels.internal.NativeFiles;
}
