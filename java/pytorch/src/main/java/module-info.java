/** Preference losses on tensors of {@code org.bytedeco:pytorch}, in place, with their gradient for autograd. */
module org.dpo4j.pytorch {
    requires org.bytedeco.cuda;
    requires transitive org.bytedeco.pytorch;
    requires transitive org.dpo4j.kernels;
    requires static transitive org.jspecify;

    exports org.dpo4j.pytorch;
}
