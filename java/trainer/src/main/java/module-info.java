/** Trains models of Hugging Face's format on preference pairs, from Java or by commands. */
module org.dpo4j.trainer {
    requires transitive org.dpo4j.kernels;
    requires ai.djl.api;
    requires ai.djl.tokenizers;
    requires transitive com.fasterxml.jackson.databind;
    requires info.picocli;
    requires java.net.http; // MLflow, and downloads from the hub
    requires jdk.unsupported; // sun.misc.Signal
    requires static transitive org.jspecify;
    requires org.yaml.snakeyaml;

    // The jars of DJL have no module-info, so they cannot require what they use.
    requires com.google.gson;
    requires org.slf4j;

    // oneDNN, the matrix products of the cpu.
    requires org.bytedeco.dnnl.linux.x86_64;

    exports org.dpo4j.data;
    exports org.dpo4j.data.chat;
    exports org.dpo4j.data.source;
    exports org.dpo4j.io.hub;
    exports org.dpo4j.model;
    exports org.dpo4j.model.family;
    exports org.dpo4j.report;
    exports org.dpo4j.train;

    uses org.dpo4j.data.RowFileFormat;

    // Options are fields that picocli sets.
    opens org.dpo4j.cli to
            info.picocli;
    opens org.dpo4j.train to
            info.picocli;
}
