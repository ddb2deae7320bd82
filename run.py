"""``python run.py``: the article lake becomes the BI tables and a picture."""

from lake.command import main

if __name__ == "__main__":
    main()
