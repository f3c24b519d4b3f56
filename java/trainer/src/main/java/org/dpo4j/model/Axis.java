package org.dpo4j.model;

/**
 * The rows or the columns of a parameter: blocks of equal width, such as the heads of a projection. In memory, padding
 * follows each block.
 *
 * @param blocks number of blocks
 * @param width elements of a block, which files hold
 * @param paddedWidth elements of a block in memory
 */
record Axis(int blocks, int width, int paddedWidth) {

    /** One block without padding. */
    static Axis plain(int size) {
        return new Axis(1, size, size);
    }

    /** Number of elements without padding. */
    int size() {
        return blocks * width;
    }

    /** Number of elements in memory. */
    int paddedSize() {
        return blocks * paddedWidth;
    }

    boolean isPadded() {
        return width < paddedWidth;
    }

    /** The index in memory of an element, which is counted without padding. */
    int at(int element) {
        return isPadded() ? element / width * paddedWidth + element % width : element;
    }

    /** The first element after {@code element} that does not directly follow its predecessor in memory. */
    int runEnd(int element) {
        return isPadded() ? (element / width + 1) * width : size();
    }
}
