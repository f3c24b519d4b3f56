package org.dpo4j.model;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.io.FourBitTensor;
import org.dpo4j.io.StoredTensor;
import org.jspecify.annotations.Nullable;

/**
 * The matrices of a model's files that are stored in 4 bits on the device: those that bitsandbytes has quantised, or, if
 * {@code asked} is not null, all matrices of layers.
 *
 * @param quantised matrices in 4 bits in the files, by name
 */
record FourBitFiles(
        Map<String, FourBitTensor> quantised, @Nullable FourBit asked) {

    /** Takes the parts of quantised matrices out of {@code tensors}. */
    static FourBitFiles take(Map<String, StoredTensor> tensors, @Nullable FourBit asked) {
        return new FourBitFiles(FourBitTensor.takeAll(tensors), asked);
    }

    boolean isUsed() {
        return asked != null || !quantised.isEmpty();
    }

    /**
     * The source of each 4-bit tensor of the layout, by its name. Takes the tensors that it quantises out of {@code
     * rest}, and adds what is missing, left over or of another shape to {@code wrong}.
     */
    Map<String, FourBitSource> match(ParameterLayout layout, Map<String, StoredTensor> rest, List<String> wrong) {
        Map<String, FourBitSource> sources = new LinkedHashMap<>();
        Map<String, FourBitTensor> left = new LinkedHashMap<>(quantised);
        for (List<ParameterTensor> tensors : layout.fourBit().values()) {
            for (ParameterTensor tensor : tensors) {
                @Nullable FourBitSource source = find(tensor, left.remove(tensor.name()), rest, wrong);
                if (source != null) {
                    sources.put(tensor.name(), source);
                }
            }
        }
        left.values()
                .forEach(tensor -> wrong.add(tensor.codes().entry().name()
                        + " is quantised, which only the linear layers of the decoder's layers can be"));
        return sources;
    }

    private @Nullable FourBitSource find(
            ParameterTensor tensor, @Nullable FourBitTensor found, Map<String, StoredTensor> rest, List<String> wrong) {
        if (found != null) {
            if (!found.shape().equals(quantisedShape(tensor))) {
                wrong.add(tensor.name() + " has the shape " + found.shape() + " instead of " + quantisedShape(tensor));
            }
            return new FourBitSource.Quantised(found);
        }
        StoredTensor dense = rest.remove(tensor.name());
        if (dense == null) {
            wrong.add(tensor.name() + " is missing");
            return null;
        }
        if (asked == null || !quantised.isEmpty()) {
            wrong.add(tensor.name() + " is not quantised, but " + quantised.size() + " others are");
            return null;
        }
        if (!dense.entry().shape().equals(tensor.shape())) {
            wrong.add(tensor.name() + " has the shape " + dense.entry().shape() + " instead of " + tensor.shape());
        }
        return new FourBitSource.Dense(dense, asked);
    }

    /** transformers turns a matrix that files hold transposed before it quantises it. */
    private static List<Long> quantisedShape(ParameterTensor tensor) {
        Placement placement = tensor.placement();
        return List.of((long) placement.rowCount(), (long) placement.columns().size());
    }
}
