package org.dpo4j.train;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.Map;
import org.dpo4j.io.ProgramFiles;
import org.dpo4j.io.Sha256;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.Model;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.reference.ReferenceCache;
import org.jspecify.annotations.Nullable;

/** Finds the files of log-probs that earlier runs kept. */
final class ReferenceFiles {
    /** For models that no file holds. */
    static final ReferenceFiles NONE = new ReferenceFiles(false, metrics -> {});

    /** Version of what is hashed. */
    private static final int VERSION = 1;

    private final boolean hasFiles;
    private final RunListener listener;
    private final Map<Path, String> hashes = new HashMap<>();

    private ReferenceFiles(boolean hasFiles, RunListener listener) {
        this.hasFiles = hasFiles;
        this.listener = listener;
    }

    /** For a run whose models are files. {@code listener}: receives notices of files that cannot be used. */
    static ReferenceFiles onDisk(RunListener listener) {
        return new ReferenceFiles(true, listener);
    }

    RunListener listener() {
        return listener;
    }

    /** SHA-256 of the files of a reference's weights; null if there are none. */
    @Nullable
    String weightsHash(ReferenceModel model) {
        return hasFiles ? hashes.computeIfAbsent(model.files(), Model::filesHash) : null;
    }

    /** Where the log-probs of a reference are kept; null if they are not. {@code tokens}: tokens that a run reads. */
    @Nullable
    ReferenceCache cache(ReferenceModel model, CompletionSums sums, ReferenceOptions options, long tokens) {
        String weights =
                options.isKept(model.planned().parameters().parameterCount(), tokens) ? weightsHash(model) : null;
        return weights == null
                ? null
                : new ReferenceCache(options.cacheDirectory(), name(model.planned(), sums, weights));
    }

    /** A hash of all that log-probs depend on, except the rows. */
    private static String name(Model planned, CompletionSums sums, String weights) {
        String parts = String.join(
                "\n",
                "version " + VERSION,
                "weights " + weights,
                "dtype " + planned.parameters().dtype() + " "
                        + planned.parameters().fourBitFact(),
                "tail factor " + sums.tailFactor(),
                "device " + planned.device().arithmetic(),
                "trainer " + ProgramFiles.state(ReferenceFiles.class, "org/dpo4j"),
                "kernels " + ProgramFiles.state(Device.class, "org/dpo4j"));
        MessageDigest digest = Sha256.digest();
        digest.update(parts.getBytes(StandardCharsets.UTF_8));
        return Sha256.hex(digest);
    }
}
