package org.dpo4j.model;

import java.util.Collection;
import java.util.List;

/** Where parameters are in a flat buffer, and which tensors of files fill them. Offsets and counts are in elements. */
interface FlatLayout {
    /**
     * Alignment of parameters in elements: 256 bytes at 2 bytes per element, so that the layout is the same for all
     * dtypes.
     */
    int ALIGNMENT = 128;

    /** All parameters, in the order of their offsets. */
    Collection<Parameter> parameters();

    /** The tensors of files, in the order of their offsets. */
    List<ParameterTensor> tensors();

    /** Number of elements with weight decay, at the front: the matrices and their padding. */
    long decayCount();

    /**
     * The ranges of gradients that are no matrix products: a pass adds to them in parts, or to some rows only. A pass computes all
     * other gradients as products.
     */
    List<ParameterRange> summedRanges();

    /** Number of all elements, with padding. */
    long count();
}
