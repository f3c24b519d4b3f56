"""The order of rows in an epoch, from the definitions: SplitMix64 (Steele, Lea, Flood 2014), multiply-shift draws with rejection (Lemire 2019),
Fisher-Yates from the end (Durstenfeld 1964). Prints the lines of ShuffleTest."""

MASK = (1 << 64) - 1


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def order(rows, seed, epoch):
    state = mix((mix(seed & MASK) + epoch) & MASK)
    out = list(range(rows))
    for i in range(rows - 1, 0, -1):
        bound = i + 1
        while True:
            state = (state + 0x9E3779B97F4A7C15) & MASK
            product = (mix(state) >> 32) * bound
            if product % (1 << 32) >= (1 << 32) % bound:
                break
        j = product >> 32
        out[i], out[j] = out[j], out[i]
    return out


if __name__ == "__main__":
    for case in [(10, 42, 0), (10, 42, 1), (10, 43, 0), (7, -1, 3), (1, 42, 0)]:
        print(case, order(*case))
