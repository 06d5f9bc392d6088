"""Run the command `unbraid demucs` as `python -m unbraid.demucs`."""

from unbraid.demucs.separate import main

if __name__ == "__main__":
    main()
